// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/requirements.hpp"

#include <string>

namespace snapclone::test {

// For tests on a recorded disk with this file system: says what is missing.
inline auto can_record(std::string const& filesystem) {
  return [filesystem](boost::unit_test::test_unit_id id) {
    if (boost::filesystem::exists("/dev/fuse")) return can_make(filesystem)(id);
    return fulfilled_unless("there is no /dev/fuse here");
  };
}

}  // namespace snapclone::test
