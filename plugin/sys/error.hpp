// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>

namespace snapclone::sys {

// A system call that failed. what() is a sentence that names the step, the path and errno's text:
// "cannot open /pool/format: Permission denied". If there is advice, it follows after a "; ".
class Error : public std::runtime_error {
 public:
  Error(std::string const& step, std::string const& path, int code, std::string const& advice = "");
  int code() const noexcept { return code_; }

 private:
  int code_;
};

// errno's text, safe on every thread.
std::string errno_text(int code);

// Throws Error for the errno of the call that just failed.
[[noreturn]] inline void fail(std::string const& step, std::string const& path) {
  throw Error(step, path, errno);
}

}  // namespace snapclone::sys
