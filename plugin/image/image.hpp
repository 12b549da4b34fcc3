// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace snapclone::image {

namespace fs = boost::filesystem;

// There is no image, and none can be had here; what() says why. Then a directory serves as the
// pool.
struct Unavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The files of an image beside the pool's directory `pool`:
//   pool.img          an xfs. Once it has this name it is never made anew and never ignored
//   pool.img.new      being made; no volume was ever in it
//   pool.img.reserve  64 MiB of the host's disk, for a mount when that is full
struct ImageFiles {
  explicit ImageFiles(fs::path const& pool);
  fs::path image;
  fs::path made;
  fs::path reserve;
};

// The smallest and the largest size that can be asked for. An ext4 takes no file of 16 TiB.
inline constexpr std::uint64_t kLeastImage = std::uint64_t{1} << 30U;
inline constexpr std::uint64_t kMostImage = std::uint64_t{16383} << 30U;

struct ImageSettings {
  std::uint64_t size = 0;  // 0: as large as the host's file system, and at least 64 GiB
  bool reserved = false;   // all its space is taken at once
  // How long to wait for another process that has the image locked.
  std::chrono::milliseconds patience = std::chrono::seconds(5);
};

// Whether there is an image: with its name, or mounted on the pool's directory by a process that
// ended before it could give it the name. Throws std::runtime_error.
bool has_image(fs::path const& pool);

// An image that is mounted.
struct MountedImage {
  fs::path file;
  bool is_new = false;
  bool direct_io = false;
  bool reserved = false;
};

// Makes the image of the pool's directory `pool` if there is none, attaches it to a loop device,
// mounts that on the directory `mount_point`, which is the pool's own for a plugin, proves that it
// can be written, and lets it grow to what the settings say. Makes it root's alone.
//
// There is never a second loop device with one image, and never a second mount of it:
//   - the image is known by device and inode, and never by a path or the number of a loop device;
//   - an flock(2) of the image, taken on the descriptor that the loop device is given, stays with
//     the device for as long as that has the file. Nobody makes, attaches or removes an image
//     without the lock;
//   - who does not get the lock uses the device that has it. To mount it is to join the mount;
//   - xfs refuses a second device with its UUID, and is never told not to (nouuid).
// Nothing here is ever unmounted: the mount goes with its last user, and the device with the mount.
//
// A new image gets its name by a rename, when it is mounted and synced. That is the commit point: a
// process that ends before leaves pool.img.new. If that is mounted still, the next process gives it
// the name; otherwise it makes another one. Nothing in an image that is refused is changed.
//
// It needs CAP_SYS_ADMIN and CAP_MKNOD, and must be allowed to open block devices. Any number of
// processes may do this at once. Throws Unavailable, and has then left nothing behind; or, with a
// sentence for the log, std::runtime_error: if there is an image that cannot be used, or a new one
// fails for a reason that may pass.
MountedImage mount_image(fs::path const& pool, ImageSettings const& settings,
                         fs::path const& mount_point);
inline MountedImage mount_image(fs::path const& pool, ImageSettings const& settings) {
  return mount_image(pool, settings, pool);
}

// Unmounts the image, in which nobody has anything open, and waits until its loop device has let it
// go. Returns it, locked. Throws std::runtime_error, also if it is mounted elsewhere still.
sys::Fd detach_image(fs::path const& pool, fs::path const& mount_point,
                     ImageSettings const& settings);

// The same, and removes the image, which holds nothing that is needed. When it throws, the image is
// still there.
void remove_image(fs::path const& pool, fs::path const& mount_point, ImageSettings const& settings);

}  // namespace snapclone::image
