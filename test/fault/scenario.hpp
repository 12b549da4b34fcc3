// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/model.hpp"

#include <string>
#include <vector>

namespace snapclone::test {

// What a fault strikes: `before` has been acknowledged, and everything has come to rest, when
// `tested` begins.
struct Scenario {
  std::string name;
  std::vector<Step> before;
  Step tested;
  bool layered = false;   // means something on overlay alone
  bool in_image = false;  // is about the image that a pool lies in
};

std::vector<Scenario> const& scenarios();

}  // namespace snapclone::test
