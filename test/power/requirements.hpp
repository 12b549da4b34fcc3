// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "unit/media.hpp"

#include <string>

namespace snapclone::test {

// For tests on a recorded disk with this file system: says what is missing.
inline auto can_record(std::string const& filesystem) {
  return [filesystem](boost::unit_test::test_unit_id id) {
    if (fs::exists("/dev/fuse")) return can_make(filesystem)(id);
    boost::test_tools::assertion_result result(false);
    result.message() << "there is no /dev/fuse here";
    return result;
  };
}

}  // namespace snapclone::test
