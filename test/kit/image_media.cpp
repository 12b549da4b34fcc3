// SPDX-License-Identifier: Apache-2.0
#include "kit/image_media.hpp"

#include "kit/attached_image.hpp"
#include "sys/mount.hpp"

#include <exception>
#include <utility>

namespace snapclone::test {
namespace {

// With few inodes and a small journal it takes hardly any memory before it is used.
constexpr std::uint64_t kHostMegabytes = 16 << 10;
constexpr char kHostOptions[] = "-b 4096 -N 65536 -J size=8";

}  // namespace

HostMedia::HostMedia() : Media("ext4", "", kHostMegabytes, kHostOptions) {}

ImageMedia::ImageMedia()
    : path(host_.path / "pool"), image(image::mount_image(path, {.size = image::kLeastImage})) {}

ImageMedia::~ImageMedia() {
  try {
    (void)end();
  } catch (std::exception const&) {
    // the caller of end() has heard of it
  }
}

std::string ImageMedia::end() {
  if (!std::exchange(mounted_, false)) return "";
  sys::unmount(path);
  detach_image(path);
  return is_clean_xfs(image.file) ? "" : "xfs_repair does not like " + image.file.string();
}

}  // namespace snapclone::test
