// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <cstdint>

namespace snapclone::image {

namespace fs = boost::filesystem;

// Space of a disk that nobody else can take while it is held: it is dropped for those who need it
// when somebody has filled the disk at a stroke. It lies in a file without a name, so the space is
// free again when the process ends, however it does. Not safe from several threads.
class Ballast {
 public:
  // Where files without a name are not to be had, it never holds anything.
  explicit Ballast(fs::path const& directory);

  std::uint64_t size() const { return size_; }

  // Holds this much from now on, or nothing if that is not there.
  void resize(std::uint64_t size);

 private:
  sys::Fd file_;
  std::uint64_t size_ = 0;
};

}  // namespace snapclone::image
