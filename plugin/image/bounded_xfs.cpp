// SPDX-License-Identifier: Apache-2.0
#include "image/bounded_xfs.hpp"

#include "sys/error.hpp"
#include "sys/xfs_calls.hpp"

#include <algorithm>
#include <limits>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace snapclone::image {
namespace {

constexpr std::uint64_t kStatBlock = 512;
constexpr std::uint64_t kNoticeable = std::uint64_t{1} << 20U;
constexpr std::uint64_t kLeft = std::uint64_t{2} << 20U;
constexpr std::uint64_t kRoomForLeft = 16 * kLeft;
constexpr int kAttempts = 20;

struct statvfs space_of(sys::Fd const& fd, fs::path const& path) {
  struct statvfs space {};
  if (fstatvfs(fd.get(), &space) != 0) sys::fail("look at the space of", path.string());
  return space;
}

}  // namespace

BoundedXfs::BoundedXfs(fs::path const& image, fs::path const& mount_point)
    : path_(image),
      image_(open(image.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)),
      root_(sys::open_dir(mount_point)) {
  if (image_.get() < 0) sys::fail("open", image.string());
}

SpaceFigures BoundedXfs::look() const {
  struct stat file {};
  if (fstat(image_.get(), &file) != 0) sys::fail("look at", path_.string());
  SpaceFigures now;
  now.size = static_cast<std::uint64_t>(file.st_size);
  now.on_host = static_cast<std::uint64_t>(file.st_blocks) * kStatBlock;
  // In this order: data that is being written moves from each of these figures to the next, so it
  // may be counted twice, but it is never missed.
  Inside inside = look_inside();
  now.free = (inside.offered + inside.reserved) * inside.block;
  now.dirty = dirty_bytes(sys::read_file("/proc/meminfo"));
  struct statvfs host = space_of(image_, path_);
  now.host_size = std::uint64_t{host.f_blocks} * host.f_frsize;
  now.host_free = std::uint64_t{host.f_bavail} * host.f_frsize;
  return now;
}

BoundedXfs::Inside BoundedXfs::look_inside() const {
  sys::XfsReserve reserve{};
  if (ioctl(root_.get(), sys::kXfsGetReserve, &reserve) != 0) {
    sys::fail("ask for the reserve of the file system in", path_.string());
  }
  struct statvfs xfs = space_of(root_, path_);
  return {.block = xfs.f_frsize,
          .offered = xfs.f_bfree,
          .reserved = reserve.available,
          .wanted = reserve.blocks,
          .size = xfs.f_blocks};
}

std::uint64_t BoundedXfs::bound(SpaceFigures const& figures) const {
  return keep_back(reserve(figures), figures.host_free >= kRoomForLeft ? kLeft : 0);
}

void BoundedXfs::offer_nothing() const {
  Inside now = look_inside();
  keep_back(now.size * now.block, 0);
}

std::uint64_t BoundedXfs::unbound(SpaceFigures const& figures) const {
  return keep_back(least_reserve(figures), 0);
}

// Fails with ENOSPC, and in part, if a writer took free blocks just then, and, before Linux 5.18,
// if there are none. In both cases what it has achieved is looked at. EROFS: nobody can take any.
int BoundedXfs::set_reserve(std::uint64_t blocks) const {
  sys::XfsReserve reserve{.blocks = blocks, .available = 0};
  if (ioctl(root_.get(), sys::kXfsSetReserve, &reserve) == 0) return 0;
  if (errno == ENOSPC || errno == EROFS) return errno;
  sys::fail("bound the space of the file system in", path_.string());
}

std::uint64_t BoundedXfs::keep_back(std::uint64_t bytes, std::uint64_t left) const {
  Inside now = look_inside();
  std::uint64_t const blocks = bytes / now.block + (bytes % now.block != 0 ? 1 : 0);
  std::uint64_t const noticeable = kNoticeable / now.block;
  if (now.reserved >= blocks && now.wanted >= blocks) {
    if (now.wanted - blocks >= noticeable) {
      set_reserve(blocks);
      now = look_inside();
    }
    return now.offered * now.block;
  }
  if (now.reserved > 0 && now.offered * now.block <= left) {
    // Otherwise space that is freed next would fill the reserve and not be offered.
    if (now.wanted > now.reserved) set_reserve(now.reserved);
    return now.offered * now.block;
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // Only what is wanted more than before is taken. So a reserve that is not full is first told to
    // want no more than it has.
    if (now.wanted > now.reserved) set_reserve(now.reserved);
    int code = set_reserve(blocks);
    now = look_inside();
    if (code == EROFS) break;
    bool nothing_left = now.offered == 0;
    if (code == 0 && now.wanted >= blocks && (now.reserved >= blocks || nothing_left)) break;
    if (nothing_left) break;
    if (attempt + 1 == kAttempts) {
      throw sys::Error("bound the space of the file system in", path_.string(), ENOSPC);
    }
  }
  return now.offered * now.block;
}

int BoundedXfs::write_out() const { return sys::sync_filesystem(root_.get()); }

bool BoundedXfs::trim(std::uint64_t begin, std::uint64_t size) const {
  struct statvfs xfs = space_of(root_, path_);
  if (begin >= std::uint64_t{xfs.f_blocks} * xfs.f_frsize) return false;
  fstrim_range range{.start = begin, .len = size, .minlen = 0};
  if (ioctl(root_.get(), FITRIM, &range) != 0) {
    sys::fail("give space back to the host from", path_.string());
  }
  return true;
}

}  // namespace snapclone::image
