// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>

namespace snapclone::volume {

// A request that was understood and is refused. what() is the sentence the user reads.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace snapclone::volume
