// SPDX-License-Identifier: Apache-2.0
#include "image/image.hpp"

#include "image/image_file.hpp"
#include "image/image_size.hpp"
#include "image/loop_device.hpp"
#include "image/xfs.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::image {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{20};

std::string cannot_use(fs::path const& image, std::string const& why) {
  return "the image " + image.string() + " holds the volumes and cannot be used: " + why;
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

sys::Error stopped(fs::path const& image, int code) {
  return {"write to the image", image.string(), code,
          "its file system has stopped after an error, which the kernel's log (dmesg) has. Stop "
          "the containers that use its volumes, then enable the plugin again"};
}

// A file system that was shut down after an error can be mounted without complaint, while
// containers keep it alive.
void check_alive(fs::path const& mount_point, fs::path const& image) {
  int code = 0;
  sys::Fd file(open(mount_point.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.get() < 0 || write(file.get(), "x", 1) != 1 || fsync(file.get()) != 0) code = errno;
  if (code != 0 && code != ENOSPC) throw stopped(image, code);
}

// Throws if what is mounted there has stopped.
bool is_mounted_on(fs::path const& mount_point, LoopDevice const& device, fs::path const& image) {
  try {
    return sys::device_of(mount_point) == device.number();
  } catch (sys::Error const& error) {
    if (error.code() == EIO) throw stopped(image, EIO);
    throw;
  }
}

// Where it is mounted already, by an earlier process or another one, it joins that.
void mount_device(LoopDevice const& device, fs::path const& mount_point, fs::path const& image) {
  constexpr int kAttempts = 100;
  for (int attempt = 1;; ++attempt) {
    if (is_mounted_on(mount_point, device, image)) return;
    if (sys::device_of(mount_point) != sys::device_of(mount_point.parent_path())) {
      throw std::runtime_error("another file system is mounted on " + mount_point.string() +
                               ": unmount it, the image " + image.string() + " belongs there");
    }
    DeviceNode node = device.node();
    if (mount(node.path().c_str(), mount_point.c_str(), "xfs", MS_NOATIME, nullptr) == 0) return;
    int code = errno;
    // Another mount of it is just coming or going, or another process has removed the node.
    if ((code != EBUSY && code != ENOENT) || attempt == kAttempts) {
      throw sys::Error("mount the image " + image.string() + " on", mount_point.string(), code,
                       why_not_mounted(code, image));
    }
    std::this_thread::sleep_for(kPause);
  }
}

MountedImage mount_opened(ImageFiles const& files, ImageSettings const& settings,
                          fs::path const& mount_point, Opened& opened) {
  int file = opened.file.get();
  Xfs xfs = read_xfs(file);
  check_not_smaller(file, settings, files.image);
  make_private(file, opened.path);
  with_reserve(files, [&] { reserve_log(file, xfs, opened.path); });
  LoopDevice device = opened.device ? std::move(*opened.device)
                                    : device_of(file, opened.path.string(), settings.patience);
  with_reserve(files, [&] { mount_device(device, mount_point, files.image); });
  check_alive(mount_point, files.image);
  if (opened.is_new) give_name(opened, files.image);
  if (!is_at(file, files.image)) {
    throw std::runtime_error("it was replaced or removed meanwhile: try again");
  }
  // Also for one whose name an earlier process gave, and did not get to sync.
  sys::sync_dir(files.image.parent_path());
  follow_size(file, device, mount_point, xfs, settings, files.image);
  keep_reserve(files);
  if (!device.direct_io()) {
    sys::log_warning("the host's file system cannot do direct I/O on " + files.image.string() +
                     ": what is read from the pool is in memory twice");
  }
  return {files.image, opened.is_new, device.direct_io(),
          settings.reserved && reserve_all(file, files.image)};
}

// The errors that mean "not on this machine". Others may be gone tomorrow, and a pool that was once
// begun in a directory stays there.
bool never_works(int code) {
  constexpr int kCodes[] = {EPERM,  EACCES, ENODEV, ENOENT,     ENXIO,
                            EINVAL, ENOSYS, ENOTTY, EOPNOTSUPP, EFBIG};
  return std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
}

}  // namespace

ImageFiles::ImageFiles(fs::path const& pool)
    : image(pool.string() + ".img"),
      made(image.string() + ".new"),
      reserve(image.string() + ".reserve") {}

bool has_image(fs::path const& pool) {
  ImageFiles files(pool);
  if (sys::exists(files.image)) return true;
  if (!sys::exists(files.made)) return false;
  struct stat made {};
  if (lstat(files.made.c_str(), &made) != 0) sys::fail("look at", files.made.string());
  if (!sys::is_mounted(pool, sys::device_of(pool.parent_path()))) return false;
  try {
    auto device = LoopDevice::find(made);
    return device && device->number() == sys::device_of(pool);
  } catch (std::runtime_error const& error) {
    throw std::runtime_error(cannot_use(files.made, error.what()));
  }
}

MountedImage mount_image(fs::path const& pool, ImageSettings const& settings,
                         fs::path const& mount_point) {
  ImageFiles files(pool);
  sys::ensure_mount_point(mount_point);
  Opened opened;  // with its lock
  int code = 0;
  std::string problem;
  try {
    open_or_make(files, settings, opened);
    return mount_opened(files, settings, mount_point, opened);
  } catch (sys::Error const& error) {
    code = error.code();
    problem = error.what();
  } catch (std::exception const& error) {
    problem = error.what();
  }
  opened.device.reset();
  if (sys::exists(files.image)) throw std::runtime_error(cannot_use(files.image, problem));
  bool mounted = sys::is_mounted(mount_point, sys::device_of(mount_point.parent_path()));
  bool gone = !mounted && discard(opened, settings);
  if (gone && never_works(code)) throw Unavailable(problem);
  throw std::runtime_error("cannot make an image for the volumes: " + problem);
}

sys::Fd detach_image(fs::path const& pool, fs::path const& mount_point,
                     ImageSettings const& settings) {
  fs::path const image = ImageFiles(pool).image;
  sys::Fd file = open_image(image);
  sys::unmount(mount_point);
  auto const end = Clock::now() + settings.patience;
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) sys::fail("lock", image.string());
    if (Clock::now() > end) {
      throw std::runtime_error("all is moved, but somebody else has the image " + image.string() +
                               " mounted: unmount it there, and give the same command again");
    }
    std::this_thread::sleep_for(kPause);
  }
  return file;
}

void remove_image(fs::path const& pool, fs::path const& mount_point,
                  ImageSettings const& settings) {
  sys::Fd locked = detach_image(pool, mount_point, settings);
  ImageFiles files(pool);
  // The image last: while it is there, it is known that something is left to be done.
  for (auto const& path : {files.reserve, files.made, files.image}) sys::remove_file(path);
  sys::sync_dir(files.image.parent_path());
}

}  // namespace snapclone::image
