// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "sys/mutex.hpp"

#include <atomic>
#include <cstdint>

namespace snapclone::image {

namespace fs = boost::filesystem;

// Space of a disk that nobody else can take while it is held: it is dropped for those who need it
// when somebody has filled the disk at a stroke. It lies in a file without a name, so the space is
// free again when the process ends, however it does. Safe from every thread.
class Ballast {
 public:
  // Where files without a name are not to be had, it never holds anything.
  explicit Ballast(fs::path const& directory);

  bool is_possible() const { return file_.get() >= 0; }

  // How much it holds now, or 0. This never blocks; take() and drop() may wait for the disk.
  std::uint64_t size() const { return size_; }

  // Holds this much if it holds nothing yet and the disk has it.
  void take(std::uint64_t size);
  void drop();

 private:
  sys::Mutex mutex_;
  sys::Fd const file_;
  std::atomic<std::uint64_t> size_ = 0;
};

}  // namespace snapclone::image
