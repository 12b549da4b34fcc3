// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace snapclone::image {

namespace fs = boost::filesystem;

// An image could not be had here, and does not exist: a directory serves as the pool. what() says
// why.
struct Unavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The files of the image beside the pool's directory "pool":
//   pool.img          an xfs. Once it has this name it is never made anew and never ignored
//   pool.img.new      being made; nothing in it was ever promised
//   pool.img.reserve  64 MiB of the host's disk, which a mount on a full disk needs
fs::path image_of(fs::path const& pool);

struct ImageSettings {
  std::optional<std::uint64_t> size;  // none: as large as the host's file system, at least 64 GiB
  bool reserved = false;              // all its space is taken at once
};

// An xfs in a file, mounted on a directory through a loop device. There is never a second loop
// device, and never a second mount, of one image:
//   - the image is known by device and inode, and never by a path or the number of a loop device;
//   - an flock(2) on the image, taken on the descriptor that LOOP_CONFIGURE gets, stays with the loop
//     device for as long as that has the file. Nobody attaches the image without it;
//   - whoever does not get the lock uses the device that has it.
// Nothing is ever unmounted: the mount goes with its last user, and the device with the mount.
struct Mounted {
  fs::path image;
  bool direct_io = false;
  bool reserved = false;
};

// Makes the image if there is none, attaches it, mounts it on the directory `pool`, proves that it can be
// written, and lets it grow to what the settings say. Needs /sys and, for device nodes that are not there,
// CAP_MKNOD; it removes the nodes that it made. For a process without a second thread. Throws Unavailable, or
// std::runtime_error with the sentence for the log if an image exists and cannot be used.
Mounted mount_image(fs::path const& pool, ImageSettings const& settings);

}  // namespace snapclone::image
