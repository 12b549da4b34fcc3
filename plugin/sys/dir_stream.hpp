// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <memory>
#include <optional>
#include <string>

#include <dirent.h>

namespace snapclone::sys {

// The names in a directory, one after the other, without "." and "..", in no order. For one thread
// at a time. Every error is thrown as sys::Error: a list that ends is complete.
class DirStream {
 public:
  // Takes over the descriptor, which is open for reading. `path` is for messages.
  DirStream(Fd directory, std::string path);

  // Nothing at the end. A directory that was deleted meanwhile is an error (ENOENT).
  std::optional<std::string> next();

  // Begins again.
  void rewind() { rewinddir(stream_.get()); }

  int descriptor() const { return dirfd(stream_.get()); }
  std::string const& path() const { return path_; }

 private:
  struct Close {
    void operator()(DIR* stream) const { closedir(stream); }
  };
  std::unique_ptr<DIR, Close> stream_;
  std::string path_;
};

}  // namespace snapclone::sys
