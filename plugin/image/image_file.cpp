// SPDX-License-Identifier: Apache-2.0
#include "image/image_file.hpp"

#include "image/image_size.hpp"
#include "image/xfs.hpp"
#include "sys/error.hpp"

#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::image {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPause{20};

sys::Fd open_file(fs::path const& path, int flags) {
  sys::Fd file(open(path.c_str(), flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) sys::fail("open", path.string());
  return file;
}

struct stat status_of(int file, fs::path const& path) {
  struct stat status {};
  if (fstat(file, &status) != 0) sys::fail("look at", path.string());
  return status;
}

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
bool try_to_open_or_make(ImageFiles const& files, ImageSettings const& settings, Opened& opened) {
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

// A file that no loop device may be opened for was not attached by this process.
bool is_attached(Opened const& opened) {
  try {
    return LoopDevice::find(status_of(opened.file.get(), opened.path)).has_value();
  } catch (std::runtime_error const&) {
    return false;
  }
}

}  // namespace

sys::Fd open_image(fs::path const& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) sys::fail("look at", path.string());
  if (S_ISREG(status.st_mode)) return open_file(path, 0);
  throw std::runtime_error("it is no regular file. Put the image itself there, and no link to it");
}

bool is_at(int file, fs::path const& path) {
  struct stat opened = status_of(file, path);
  struct stat there {};
  if (lstat(path.c_str(), &there) == 0) {
    return there.st_dev == opened.st_dev && there.st_ino == opened.st_ino;
  }
  if (errno != ENOENT) sys::fail("look at", path.string());
  return false;
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

void open_or_make(ImageFiles const& files, ImageSettings const& settings, Opened& opened) {
  auto const end = Clock::now() + settings.patience;
  while (!try_to_open_or_make(files, settings, opened)) {
    if (Clock::now() > end) {
      throw std::runtime_error("another process is making " + files.made.string() +
                               " and does not get on: try again when that has ended");
    }
    std::this_thread::sleep_for(kPause);
  }
}

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
}

bool discard(Opened const& opened, ImageSettings const& settings) {
  if (opened.file.get() < 0) return true;
  auto const end = Clock::now() + settings.patience;
  while (is_attached(opened)) {  // the kernel may take a moment
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(kPause);
  }
  if (opened.made_here && is_at(opened.file.get(), opened.path)) sys::remove_file(opened.path);
  return true;
}

}  // namespace snapclone::image
