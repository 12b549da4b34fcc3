// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

namespace snapclone::backend {

namespace fs = boost::filesystem;

// A new directory that is deleted with the object. If that fails, the next start deletes it.
class Scratch {
 public:
  explicit Scratch(fs::path const& parent);
  Scratch(Scratch const&) = delete;
  Scratch& operator=(Scratch const&) = delete;
  ~Scratch();
  fs::path const& path() const { return path_; }

 private:
  fs::path path_;
};

// Unmounts what was mounted for a trial, also when the trial fails.
struct Unmounter {
  fs::path target;
  ~Unmounter();
};

}  // namespace snapclone::backend
