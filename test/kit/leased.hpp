// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <sys/types.h>

namespace snapclone::test {

namespace fs = boost::filesystem;

// A process that has a write lease on a file (fcntl(2)), and gives it up when somebody wants to
// open the file, or never: then the kernel takes it away after 45 s.
class Leased {
 public:
  Leased(fs::path path, bool gives_up);
  ~Leased();
  Leased(Leased const&) = delete;
  Leased& operator=(Leased const&) = delete;

  // Whether somebody has tried to open the file.
  bool wanted() const;

  bool is_held() const;

 private:
  [[noreturn]] void hold(bool gives_up) const;
  void say(char byte) const;

  fs::path const path_;
  int said_[2];
  pid_t child_;
};

}  // namespace snapclone::test
