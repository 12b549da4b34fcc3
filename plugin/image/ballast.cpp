// SPDX-License-Identifier: Apache-2.0
#include "image/ballast.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace snapclone::image {

Ballast::Ballast(fs::path const& directory)
    : file_(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {}

void Ballast::take(std::uint64_t size) {
  sys::MutexLock lock(mutex_);
  if (!is_possible() || size_ != 0 || size == 0) return;
  if (fallocate(file_.get(), 0, 0, static_cast<off_t>(size)) == 0) {
    size_ = size;
  } else {
    (void)!ftruncate(file_.get(), 0);  // the kernel may have taken a part
  }
}

void Ballast::drop() {
  if (size_ == 0) return;
  sys::MutexLock lock(mutex_);
  if (size_ != 0 && ftruncate(file_.get(), 0) == 0) size_ = 0;
}

}  // namespace snapclone::image
