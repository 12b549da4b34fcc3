// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

namespace snapclone::backend {

namespace fs = boost::filesystem;

// A new directory that is deleted with the object. If that fails, the next start deletes it.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(fs::path const& parent);
  TemporaryDirectory(TemporaryDirectory const&) = delete;
  TemporaryDirectory& operator=(TemporaryDirectory const&) = delete;
  ~TemporaryDirectory();
  fs::path const& path() const { return path_; }

 private:
  fs::path path_;
};

// Unmounts what a trial has mounted, also if the trial fails.
struct Unmounter {
  fs::path target;
  ~Unmounter();
};

}  // namespace snapclone::backend
