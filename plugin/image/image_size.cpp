// SPDX-License-Identifier: Apache-2.0
#include "image/image_size.hpp"

#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace snapclone::image {
namespace {

constexpr std::uint64_t kLeastByItself = std::uint64_t{64}
                                         << 30U;               // without a size in the settings
constexpr std::uint64_t kNoGrowth = std::uint64_t{1} << 30U;   // not worth it
constexpr std::uint64_t kRounding = std::uint64_t{32} << 20U;  // xfs takes no tiny last group
constexpr off_t kReserve = 64 << 20;
constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kStatBlock = 512;

// XFS_IOC_FSGROWFSDATA: the kernel has no header of these for programs.
struct GrowData {
  std::uint64_t blocks;
  std::uint32_t most_percent_of_inodes;
};
constexpr unsigned long kGrowData = _IOW('X', 110, GrowData);
constexpr std::uint32_t kPercentOfInodes = 25;  // as make_xfs() has it

struct stat status_of(int file, fs::path const& path) {
  struct stat status {};
  if (fstat(file, &status) != 0) sys::fail("look at", path.string());
  return status;
}

std::uint64_t size_of(struct stat const& status) {
  return static_cast<std::uint64_t>(status.st_size);
}

std::uint64_t taken_by(struct stat const& status) {
  return static_cast<std::uint64_t>(status.st_blocks) * kStatBlock;
}

// The file system that an open file or directory is in.
struct statvfs space_around(int file, fs::path const& path) {
  struct statvfs space {};
  if (fstatvfs(file, &space) != 0) sys::fail("look at the space around", path.string());
  return space;
}

void grow(int file, LoopDevice const& device, int root, std::uint64_t size, fs::path const& path) {
  // Unlike ftruncate(2) this never makes a file shorter.
  if (fallocate(file, 0, static_cast<off_t>(size - kBlock), kBlock) != 0) {
    sys::fail("enlarge", path.string());
  }
  device.take_new_size();
  GrowData wanted{size / kBlock, kPercentOfInodes};
  if (ioctl(root, kGrowData, &wanted) != 0) {
    sys::fail("enlarge the file system in", path.string());
  }
  sys::log_info("the image " + path.string() + " has grown to " + sys::bytes_text(size));
}

}  // namespace

std::uint64_t wanted_size(ImageSettings const& settings, std::uint64_t host_size) {
  std::uint64_t size = settings.size != 0 ? settings.size : std::max(kLeastByItself, host_size);
  return std::min(size, kMostImage) / kBlock * kBlock;
}

std::uint64_t wanted_size(ImageSettings const& settings, int file, fs::path const& path) {
  struct statvfs host = space_around(file, path);
  return wanted_size(settings, std::uint64_t{host.f_blocks} * host.f_frsize);
}

void check_not_smaller(int file, ImageSettings const& settings, fs::path const& path) {
  std::uint64_t size = size_of(status_of(file, path));
  if (settings.size == 0 || settings.size + kRounding >= size) return;
  throw std::runtime_error("IMAGE cannot be " + sys::bytes_text(settings.size) + ", because " +
                           path.string() + " has " + sys::bytes_text(size) +
                           " already, and xfs cannot shrink. Set IMAGE=on, or that size or more: "
                           "it takes no more of the host's disk than its volumes need");
}

void follow_size(int file, LoopDevice const& device, fs::path const& mount_point, Xfs const& xfs,
                 ImageSettings const& settings, fs::path const& path) {
  sys::Fd root = sys::open_dir(mount_point);
  struct statvfs inside = space_around(root.get(), mount_point);
  // The kernel says it, and not the file: there it is written late.
  std::uint64_t now = std::uint64_t{inside.f_blocks} * inside.f_frsize + xfs.log_size;
  std::uint64_t wanted = wanted_size(settings, file, path);
  bool by_itself = settings.size == 0;
  if (wanted <= now + (by_itself ? kNoGrowth : kRounding)) return;
  try {
    grow(file, device, root.get(), wanted, path);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string(error.what()) + "; it stays as large as it is (" +
                     sys::bytes_text(now) + ") until the next start");
  }
}

bool reserve_all(int file, fs::path const& path) {
  struct stat status = status_of(file, path);
  struct statvfs host = space_around(file, path);
  std::uint64_t size = size_of(status);
  std::uint64_t missing = size - std::min(size, taken_by(status));
  std::uint64_t free = std::uint64_t{host.f_bavail} * host.f_frsize;
  int code = missing > free ? ENOSPC : 0;
  // Also if nothing seems to be missing: blocks that describe the file count as taken.
  if (code == 0 && fallocate(file, 0, 0, status.st_size) != 0) code = errno;
  if (code == 0) return true;
  sys::log_warning("IMAGE_RESERVE=on cannot be had: " + path.string() + " needs " +
                   sys::bytes_text(missing) + " more, and the host's disk has " +
                   sys::bytes_text(free) + " (" + sys::errno_text(code) +
                   "). It takes its space when it needs it");
  return false;
}

void reserve_log(int file, Xfs const& xfs, fs::path const& path) {
  if (fallocate(file, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(xfs.log_offset),
                static_cast<off_t>(xfs.log_size)) == 0) {
    return;
  }
  sys::fail("take the space of the log (" + sys::bytes_text(xfs.log_size) + ") for", path.string());
}

void with_reserve(ImageFiles const& files, std::function<void()> const& work) {
  try {
    return work();
  } catch (sys::Error const& error) {
    if (error.code() != ENOSPC || !sys::exists(files.reserve)) throw;
    sys::log_warning("the host's disk is full: using " + files.reserve.string() + " (" +
                     error.what() + ")");
  }
  sys::remove_file(files.reserve);
  work();
}

void keep_reserve(ImageFiles const& files) {
  try {
    sys::Fd file(open(files.reserve.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (file.get() < 0) sys::fail("open", files.reserve.string());
    if (taken_by(status_of(file.get(), files.reserve)) >= kReserve) return;
    struct statvfs host = space_around(file.get(), files.reserve);
    // The image may have promised the rest of the space to a container.
    bool fits = std::uint64_t{host.f_bavail} * host.f_frsize >= 2 * kReserve;
    if (fits && fallocate(file.get(), 0, 0, kReserve) == 0) return;
    int code = fits ? errno : ENOSPC;
    sys::remove_file(files.reserve);
    throw sys::Error("keep", files.reserve.string(), code);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("if the host's disk becomes full, the next start may fail: ") +
                     error.what());
  }
}

}  // namespace snapclone::image
