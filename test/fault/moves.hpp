// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>

namespace snapclone::test {

// Kills in, and failing calls of, "snapclone --move-to", in both directions, on ext4. With
// `everything` at every call that changes something, otherwise at some of their kinds.
boost::unit_test::test_suite* suite_of_moves(bool everything);

}  // namespace snapclone::test
