// SPDX-License-Identifier: Apache-2.0
#include "image/image.hpp"

#include "image/loop_device.hpp"
#include "image/xfs.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "sys/text.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace snapclone::image {
namespace {

constexpr std::uint64_t kLeastByItself = std::uint64_t{64}
                                         << 30U;               // without a size in the settings
constexpr std::uint64_t kNoGrowth = std::uint64_t{1} << 30U;   // not worth it
constexpr std::uint64_t kRounding = std::uint64_t{32} << 20U;  // xfs takes no tiny last group
constexpr off_t kReserve = 64 << 20;
constexpr std::uint64_t kBlock = 4096;

// XFS_IOC_FSGROWFSDATA: the kernel has no header of these for programs.
struct GrowData {
  std::uint64_t blocks;
  std::uint32_t most_percent_of_inodes;
};
constexpr unsigned long kGrowData = _IOW('X', 110, GrowData);
constexpr std::uint32_t kPercentOfInodes = 25;  // as mkfs.xfs; larger than 1 TB it would be 5

std::string cannot_use(fs::path const& image, int code) {
  std::string sentence = "the image " + image.string() + " holds the volumes and cannot be used";
  if (code == EPERM || code == EACCES) {
    sentence +=
        ", because the plugin may not use loop devices. Install the variant whose tag ends "
        "in \"-image\", which asks for that";
  }
  return sentence + ": ";
}

sys::Fd open_image(fs::path const& path, int flags) {
  sys::Fd file(open(path.c_str(), flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) sys::fail("open", path.string());
  return file;
}

struct stat status_of(int file, fs::path const& path) {
  struct stat status {};
  if (fstat(file, &status) != 0) sys::fail("look at", path.string());
  return status;
}

struct statvfs host_of(fs::path const& path) {
  struct statvfs host {};
  if (statvfs(path.parent_path().c_str(), &host) != 0) sys::fail("look at", path.string());
  return host;
}

void allocate(int file, off_t begin, off_t size, fs::path const& path) {
  if (fallocate(file, FALLOC_FL_KEEP_SIZE, begin, size) == 0) return;
  sys::fail("take " + sys::bytes_text(static_cast<std::uint64_t>(size)) + " of the disk for",
            path.string());
}

// Whoever finds no space frees the reserve and tries once more.
template <class Work>
void with_reserve(ImageFiles const& files, Work const& work) {
  try {
    return work();
  } catch (sys::Error const& error) {
    if (error.code() != ENOSPC || !sys::exists(files.reserve)) throw;
  }
  sys::log_warning("the host's disk is full: using " + files.reserve.string());
  sys::remove_file(files.reserve);
  work();
}

void keep_reserve(ImageFiles const& files) {
  try {
    sys::Fd file = open_image(files.reserve, O_CREAT);
    struct stat kept {};
    if (fstat(file.get(), &kept) == 0 && kept.st_blocks * 512 >= kReserve) return;
    int code = posix_fallocate(file.get(), 0, kReserve);
    if (code == 0) return;
    sys::remove_file(files.reserve);
    throw sys::Error("keep", files.reserve.string(), code);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("if the host's disk becomes full, the next start may fail: ") +
                     error.what());
  }
}

sys::Fd make(ImageFiles const& files, ImageSettings const& settings) {
  sys::remove_file(files.made);
  sys::Fd file = open_image(files.made, O_CREAT | O_EXCL);
  struct statvfs host = host_of(files.made);
  Uuid uuid{};
  if (getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) {
    sys::fail("read random bytes from", "getrandom");
  }
  make_xfs(file.get(), wanted_size(settings, host.f_blocks * host.f_frsize), uuid);
  if (fsync(file.get()) != 0) sys::fail("write out", files.made.string());
  return file;
}

// A process that ended just before it could rename a new image may have it mounted still.
bool is_attached(fs::path const& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && LoopDevice::find(status).has_value();
}

std::string why_not_mounted(int code, fs::path const& image) {
  switch (code) {
    case EINVAL:
      return "the kernel's log (dmesg) says why. If it says \"duplicate UUID\", a copy of this "
             "image is mounted: unmount that, or do not keep copies where they are mounted";
    case ENODEV:
      return "this kernel has no xfs, or may not load it: load the module \"xfs\" on the host";
    case EUCLEAN:
    case EBADMSG:
    case EIO:
      return "it may be damaged. Copy it, then check it on the host with \"xfs_repair " +
             image.string() + "\", while no container uses its volumes";
    case ENOSPC:
      return "the host's disk is full: free some space on it";
    default:
      return "";
  }
}

void mount_device(LoopDevice const& device, fs::path const& pool, fs::path const& image) {
  constexpr int kAttempts = 40;
  constexpr std::chrono::milliseconds kPause{50};
  for (int attempt = 1;; ++attempt) {
    if (mount(device.node().c_str(), pool.c_str(), "xfs", MS_NOATIME, nullptr) == 0) return;
    int code = errno;
    // Another mount of it is just coming or going.
    if (code != EBUSY || attempt == kAttempts) {
      throw sys::Error("mount the image " + image.string() + " on", pool.string(), code,
                       why_not_mounted(code, image));
    }
    std::this_thread::sleep_for(kPause);
  }
}

// A file system that was shut down after an error can be mounted without complaint, while
// containers keep it alive.
void check_alive(fs::path const& pool, fs::path const& image) {
  int code = 0;
  sys::Fd file(open(pool.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.get() < 0 || write(file.get(), "x", 1) != 1 || fsync(file.get()) != 0) code = errno;
  if (code == 0 || code == ENOSPC) return;
  throw sys::Error("write to the image", image.string(), code,
                   "its file system has stopped after an error, which the kernel's log (dmesg) "
                   "has. Stop the containers that use its volumes, then enable the plugin again");
}

void grow(int file, LoopDevice const& device, fs::path const& pool, std::uint64_t size,
          fs::path const& image) {
  if (ftruncate(file, static_cast<off_t>(size)) != 0) sys::fail("enlarge", image.string());
  device.take_new_size();
  GrowData wanted{size / kBlock, kPercentOfInodes};
  sys::Fd root = sys::open_dir(pool);
  if (ioctl(root.get(), kGrowData, &wanted) != 0) {
    sys::fail("enlarge the file system in", image.string());
  }
  sys::log_info("the image " + image.string() + " has grown to " + sys::bytes_text(size));
}

std::uint64_t size_of_mounted(fs::path const& pool) {
  struct statvfs now {};
  if (statvfs(pool.c_str(), &now) != 0) sys::fail("look at", pool.string());
  return now.f_blocks * now.f_frsize;
}

void follow_size(int file, LoopDevice const& device, fs::path const& pool, Xfs const& xfs,
                 ImageSettings const& settings, fs::path const& image) {
  struct statvfs host = host_of(image);
  std::uint64_t wanted = wanted_size(settings, host.f_blocks * host.f_frsize);
  // The kernel says it, and not the file: there it is written late.
  std::uint64_t now = size_of_mounted(pool) + xfs.log_size;
  bool by_itself = settings.size == 0;
  if (wanted <= now + (by_itself ? kNoGrowth : kRounding)) return;
  try {
    grow(file, device, pool, wanted, image);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string(error.what()) + "; it stays as large as it is (" +
                     sys::bytes_text(now) + ") until the next start");
  }
}

void check_not_smaller(int file, ImageSettings const& settings, fs::path const& image) {
  std::uint64_t size = static_cast<std::uint64_t>(status_of(file, image).st_size);
  if (settings.size == 0 || settings.size + kRounding >= size) return;
  throw std::runtime_error(
      "IMAGE cannot be " + sys::bytes_text(settings.size) + ", because it has " +
      sys::bytes_text(size) +
      " already, and xfs cannot shrink. Set IMAGE=on, or that size or more: it "
      "takes no more of the host's disk than its volumes need");
}

// Takes all space of the image, if there is as much.
bool reserve_all(int file, Xfs const& xfs, fs::path const& image) {
  struct statvfs host = host_of(image);
  std::uint64_t taken = static_cast<std::uint64_t>(status_of(file, image).st_blocks) * 512;
  std::uint64_t missing = xfs.size > taken ? xfs.size - taken : 0;
  std::uint64_t free = host.f_bavail * host.f_frsize;
  if (missing == 0) return true;
  std::string cannot = "IMAGE_RESERVE=on cannot be had: the image " + image.string() + " of " +
                       sys::bytes_text(xfs.size) + " would take " + sys::bytes_text(missing) +
                       " more";
  if (missing >= free) {
    sys::log_warning(cannot + ", and the host's disk has " + sys::bytes_text(free) +
                     ". It takes its space when it needs it");
    return false;
  }
  if (fallocate(file, 0, 0, static_cast<off_t>(xfs.size)) == 0) return true;
  sys::log_warning(cannot + ": " + sys::errno_text(errno));
  return false;
}

// The errors that mean "not on this machine". Others may be gone tomorrow, and a pool that was once
// begun in a directory stays there.
bool never_works(int code) {
  constexpr int kCodes[] = {EPERM,  EACCES, ENODEV,     ENOENT, ENXIO,
                            EINVAL, ENOSYS, EOPNOTSUPP, EFBIG};
  return std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
}

struct Opened {
  sys::Fd file;
  fs::path path;
  bool is_new;
};

Opened open_or_make(ImageFiles const& files, ImageSettings const& settings) {
  if (sys::exists(files.image)) return {open_image(files.image, 0), files.image, false};
  if (is_attached(files.made)) return {open_image(files.made, 0), files.made, true};
  return {make(files, settings), files.made, true};
}

MountedImage mount_opened(fs::path const& mount_point, ImageFiles const& files,
                          Opened const& opened, ImageSettings const& settings) {
  int file = opened.file.get();
  Xfs xfs = read_xfs(file);
  check_not_smaller(file, settings, files.image);
  // A copy of an image may have made a hole of the log, which is full of zeros. If the host's disk
  // then becomes full, the first write of the log would end the file system.
  with_reserve(files, [&] {
    allocate(file, static_cast<off_t>(xfs.log_offset), static_cast<off_t>(xfs.log_size),
             opened.path);
  });
  LoopDevice device = device_of(file, opened.path.string());
  if (sys::device_of(mount_point) != device.number()) {
    if (sys::is_mounted(mount_point, sys::device_of(mount_point.parent_path()))) {
      throw std::runtime_error("another file system is mounted on " + mount_point.string() +
                               ": unmount it, the image " + files.image.string() +
                               " belongs there");
    }
    with_reserve(files, [&] { mount_device(device, mount_point, files.image); });
  }
  check_alive(mount_point, files.image);
  if (opened.is_new) {
    sys::rename_new(opened.path, files.image);
    sys::sync_dir(files.image.parent_path());
  }
  follow_size(file, device, mount_point, xfs, settings, files.image);
  keep_reserve(files);
  if (!device.direct_io()) {
    sys::log_warning("the host's file system cannot do direct I/O on " + files.image.string() +
                     ": what is read from the pool is in memory twice");
  }
  return {files.image, opened.is_new, device.direct_io(),
          settings.reserved && reserve_all(file, read_xfs(file), files.image)};
}

}  // namespace

ImageFiles::ImageFiles(fs::path const& pool)
    : image(pool.string() + ".img"),
      made(image.string() + ".new"),
      reserve(image.string() + ".reserve") {}

std::uint64_t wanted_size(ImageSettings const& settings, std::uint64_t host_size) {
  std::uint64_t size = settings.size != 0 ? settings.size : std::max(kLeastByItself, host_size);
  return std::min(size, kMostImage) / kBlock * kBlock;
}

MountedImage mount_image(fs::path const& pool, ImageSettings const& settings,
                         fs::path const& mount_point) {
  ImageFiles files(pool);
  sys::ensure_dir(mount_point);
  bool existed = sys::exists(files.image);
  int code = 0;
  std::string problem;
  try {
    return mount_opened(mount_point, files, open_or_make(files, settings), settings);
  } catch (sys::Error const& error) {
    code = error.code();
    problem = error.what();
  } catch (std::exception const& error) {
    problem = error.what();
  }
  if (existed) throw std::runtime_error(cannot_use(files.image, code) + problem);
  if (sys::exists(files.image) ||
      sys::is_mounted(mount_point, sys::device_of(mount_point.parent_path()))) {
    throw std::runtime_error(problem);
  }
  sys::remove_file(files.made);
  if (never_works(code)) throw Unavailable(problem);
  throw std::runtime_error("cannot make an image for the volumes: " + problem);
}

void remove_image(fs::path const& pool, fs::path const& mount_point) {
  ImageFiles files(pool);
  sys::Fd file = open_image(files.image, 0);
  sys::unmount(mount_point);
  // The loop device has the lock while it has the file.
  constexpr int kAttempts = 100;
  int attempt = 0;
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0 && ++attempt < kAttempts) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  // The image last: while it is there, it is known that something is left to be done.
  for (auto const& path : {files.reserve, files.made, files.image}) sys::remove_file(path);
  sys::sync_dir(files.image.parent_path());
  if (attempt < kAttempts) return;
  sys::log_warning("the image " + files.image.string() +
                   " is removed, but somebody still has its file system mounted: its space is free "
                   "when that ends");
}

}  // namespace snapclone::image
