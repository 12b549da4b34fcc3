// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>

namespace snapclone::test {

// Kills of "snapclone --move-to", in both directions, on ext4. With `everything` before every call
// that changes something, otherwise before one of each kind.
boost::unit_test::test_suite* suite_of_moves(bool everything);

}  // namespace snapclone::test
