// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/image.hpp"
#include "image/loop_device.hpp"
#include "image/xfs.hpp"

#include <cstdint>
#include <functional>

// How large an image is, and what it takes of the host's disk: the parts of mount_image() that are
// about space. `file` is the open image and `path` its path. Everything throws sys::Error.
namespace snapclone::image {

// The size that an image shall have, and how large a new one is made. In bytes.
std::uint64_t wanted_size(ImageSettings const& settings, std::uint64_t host_size);
std::uint64_t wanted_size(ImageSettings const& settings, int file, fs::path const& path);

// Throws std::runtime_error if the settings ask for less than it has.
void check_not_smaller(int file, ImageSettings const& settings, fs::path const& path);

// Lets the mounted image grow to wanted_size(), if that is worth it. If it cannot, the log says so.
// Never makes it smaller, whatever another process does meanwhile.
void follow_size(int file, LoopDevice const& device, fs::path const& mount_point, Xfs const& xfs,
                 ImageSettings const& settings, fs::path const& path);

// Takes all space of the image at once. If there is not as much, the log says so. Returns whether
// it has all.
bool reserve_all(int file, fs::path const& path);

// Takes the space of the log, if it has none. A copy of an image may have made a hole of the log,
// which is full of zeros. If the host's disk then becomes full, the first write of the log would
// end the file system.
void reserve_log(int file, Xfs const& xfs, fs::path const& path);

// Does what may find no space on the host. Then it frees the reserve and does it once more.
void with_reserve(ImageFiles const& files, std::function<void()> const& work);

// Makes the reserve if it is missing. If it cannot, the log says so.
void keep_reserve(ImageFiles const& files);

}  // namespace snapclone::image
