// SPDX-License-Identifier: Apache-2.0
#include "kit/attached_image.hpp"

#include "image/image.hpp"
#include "kit/eventually.hpp"
#include "kit/loops.hpp"
#include "sys/mount.hpp"

#include <cstdlib>
#include <stdexcept>

#include <sys/mount.h>

namespace snapclone::test {

void detach_image(fs::path const& pool) {
  image::ImageFiles const files(pool);
  while (sys::exists(pool) && sys::is_mounted(pool) && umount2(pool.c_str(), MNT_DETACH) == 0) {
  }
  for (auto const& file : {files.image, files.made}) {
    // Whoever asks a device has it open, and that keeps it for a moment.
    if (!sys::exists(file) || eventually([&] { return loops_with(file).empty(); })) continue;
    throw std::runtime_error("a loop device keeps " + file.string());
  }
}

bool is_clean_xfs(fs::path const& image) {
  std::string command = "PATH=$PATH:/usr/sbin:/sbin xfs_repair -n -f " + image.string();
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

}  // namespace snapclone::test
