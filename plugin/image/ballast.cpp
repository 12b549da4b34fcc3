// SPDX-License-Identifier: Apache-2.0
#include "image/ballast.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace snapclone::image {

Ballast::Ballast(fs::path const& directory)
    : file_(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) {}

void Ballast::resize(std::uint64_t size) {
  if (file_.get() < 0 || size == size_) return;
  auto const length = static_cast<off_t>(size);
  // What cannot be had as a whole is given back: the kernel may have taken a part.
  bool held = size > size_ && fallocate(file_.get(), 0, 0, length) == 0;
  if (!held) (void)!ftruncate(file_.get(), size < size_ ? length : 0);
  size_ = held || size < size_ ? size : 0;
}

}  // namespace snapclone::image
