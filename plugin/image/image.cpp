// SPDX-License-Identifier: Apache-2.0
#include "image/image.hpp"

#include "image/image_size.hpp"
#include "image/loop_device.hpp"
#include "image/xfs.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::image {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{20};

std::string cannot_use(fs::path const& image, std::string const& why) {
  return "the image " + image.string() + " holds the volumes and cannot be used: " + why;
}

sys::Fd open_file(fs::path const& path, int flags) {
  sys::Fd file(open(path.c_str(), flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) sys::fail("open", path.string());
  return file;
}

sys::Fd open_image(fs::path const& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) sys::fail("look at", path.string());
  if (S_ISREG(status.st_mode)) return open_file(path, 0);
  throw std::runtime_error("it is no regular file. Put the image itself there, and no link to it");
}

struct stat status_of(int file, fs::path const& path) {
  struct stat status {};
  if (fstat(file, &status) != 0) sys::fail("look at", path.string());
  return status;
}

void make_private(int file, fs::path const& path) {
  struct stat now = status_of(file, path);
  if ((now.st_uid != 0 || now.st_gid != 0) && fchown(file, 0, 0) != 0) {
    sys::fail("change the owner of", path.string());
  }
  if ((now.st_mode & 07777U) != 0600 && fchmod(file, 0600) != 0) {
    sys::fail("change the mode of", path.string());
  }
}

bool is_at(int file, fs::path const& path) {
  struct stat opened = status_of(file, path);
  struct stat there {};
  return lstat(path.c_str(), &there) == 0 && there.st_dev == opened.st_dev &&
         there.st_ino == opened.st_ino;
}

// An image, named or new.
struct Opened {
  sys::Fd file = {};
  fs::path path = {};
  bool is_new = false;
  bool made_here = false;                 // a new one that this process has locked
  std::optional<LoopDevice> device = {};  // of a new one that another process has made
};

void make(Opened const& opened, ImageSettings const& settings) {
  int file = opened.file.get();
  Uuid uuid{};
  if (getrandom(uuid.data(), uuid.size(), 0) != static_cast<ssize_t>(uuid.size())) {
    sys::fail("read random bytes from", "getrandom");
  }
  make_xfs(file, wanted_size(settings, file, opened.path), uuid);
  if (fsync(file) != 0) sys::fail("write out", opened.path.string());
}

// Whether it made the file; one that was there is opened too, if it is there still.
bool open_new(fs::path const& path, sys::Fd& file) {
  for (int flags : {O_CREAT | O_EXCL, 0}) {
    try {
      file = open_file(path, flags);
      return flags != 0;
    } catch (sys::Error const& error) {
      if (error.code() != (flags != 0 ? EEXIST : ENOENT)) throw;
    }
  }
  file = sys::Fd();
  return false;
}

// Opens the image, or a new one that another process has attached, or makes a new one. False if
// another process has just changed what is there, or is making one.
bool open_or_make(ImageFiles const& files, ImageSettings const& settings, Opened& opened) {
  if (sys::exists(files.image)) {
    opened.file = open_image(files.image);
    opened.path = files.image;
    opened.is_new = false;
    return true;
  }
  opened.path = files.made;
  opened.is_new = true;
  bool is_fresh = open_new(files.made, opened.file);
  int file = opened.file.get();
  if (file < 0) return false;
  if (flock(file, LOCK_EX | LOCK_NB) != 0) {
    int code = errno;
    if (code != EWOULDBLOCK) {
      if (is_fresh) sys::remove_file(files.made);
      throw sys::Error("lock", files.made.string(), code);
    }
    auto device = LoopDevice::find(status_of(file, files.made));
    if (device) opened.device.emplace(std::move(*device));
    return device.has_value();
  }
  if (!is_at(file, files.made)) return false;
  if (!is_fresh || sys::exists(files.image)) {
    sys::remove_file(files.made);
    return false;
  }
  opened.made_here = true;
  make(opened, settings);
  return true;
}

void open_or_make_in_time(ImageFiles const& files, ImageSettings const& settings, Opened& opened) {
  auto const end = Clock::now() + settings.patience;
  while (!open_or_make(files, settings, opened)) {
    if (Clock::now() > end) {
      throw std::runtime_error("another process is making " + files.made.string() +
                               " and does not get on: try again when that has ended");
    }
    std::this_thread::sleep_for(kPause);
  }
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
    if (sys::is_mounted(mount_point, sys::device_of(mount_point.parent_path()))) {
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

// The commit point. A process that has joined may be the first there.
void give_name(Opened const& opened, fs::path const& image) {
  int file = opened.file.get();
  if (is_at(file, opened.path)) {
    try {
      sys::rename_new(opened.path, image);
    } catch (sys::Error const&) {
      if (!is_at(file, image)) throw;
    }
  }
  if (!is_at(file, image)) {
    throw std::runtime_error(opened.path.string() +
                             " was removed while it was made: unmount it, "
                             "and enable the plugin again");
  }
  sys::sync_dir(image.parent_path());
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
  follow_size(file, device, mount_point, xfs, settings, files.image);
  keep_reserve(files);
  if (!device.direct_io()) {
    sys::log_warning("the host's file system cannot do direct I/O on " + files.image.string() +
                     ": what is read from the pool is in memory twice");
  }
  return {files.image, opened.is_new, device.direct_io(),
          settings.reserved && reserve_all(file, files.image)};
}

// A file that no loop device may be opened for was not attached by this process.
bool is_attached(Opened const& opened) {
  try {
    return LoopDevice::find(status_of(opened.file.get(), opened.path)).has_value();
  } catch (std::runtime_error const&) {
    return false;
  }
}

// Removes what this process has made. Returns false if that is in use: it is mounted already, or
// another process has joined.
bool discard(Opened const& opened, fs::path const& mount_point, ImageSettings const& settings) {
  if (opened.file.get() < 0) return true;
  if (sys::is_mounted(mount_point, sys::device_of(mount_point.parent_path()))) return false;
  auto const end = Clock::now() + settings.patience;
  while (is_attached(opened)) {  // the kernel may take a moment
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(kPause);
  }
  if (opened.made_here && is_at(opened.file.get(), opened.path)) sys::remove_file(opened.path);
  return true;
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
  struct stat made {};
  if (lstat(files.made.c_str(), &made) != 0) return false;
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
  if (!sys::is_mounted(mount_point)) sys::ensure_dir(mount_point);
  Opened opened;  // with its lock
  int code = 0;
  std::string problem;
  try {
    open_or_make_in_time(files, settings, opened);
    return mount_opened(files, settings, mount_point, opened);
  } catch (sys::Error const& error) {
    code = error.code();
    problem = error.what();
  } catch (std::exception const& error) {
    problem = error.what();
  }
  opened.device.reset();
  if (sys::exists(files.image)) throw std::runtime_error(cannot_use(files.image, problem));
  bool gone = discard(opened, mount_point, settings);
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
