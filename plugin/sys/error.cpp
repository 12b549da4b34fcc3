// SPDX-License-Identifier: Apache-2.0
#include "sys/error.hpp"

#include <system_error>

namespace snapclone::sys {

Error::Error(std::string const& step, std::string const& path, int code, std::string const& advice)
    : std::runtime_error("cannot " + step + " " + path + ": " + errno_text(code) +
                         (advice.empty() ? "" : "; " + advice)),
      code_(code) {}

std::string errno_text(int code) { return std::generic_category().message(code); }

}  // namespace snapclone::sys
