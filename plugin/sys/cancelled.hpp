// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <stop_token>

namespace snapclone::sys {

// Work that ended early because its std::stop_token asked it to.
class Cancelled : public std::runtime_error {
 public:
  Cancelled() : std::runtime_error("the work was cancelled") {}
};

inline void throw_if_cancelled(std::stop_token const& stop) {
  if (stop.stop_requested()) throw Cancelled();
}

}  // namespace snapclone::sys
