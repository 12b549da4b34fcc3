// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/image.hpp"
#include "image/loop_device.hpp"

#include <optional>

// The file of an image: opened, or made anew, and given its name. The parts of mount_image() that
// are not about mounting. Functions throw sys::Error for a failed call, and std::runtime_error with
// the way out for anything else.
namespace snapclone::image {

// An image, named or new.
struct Opened {
  sys::Fd file = {};
  fs::path path = {};
  bool is_new = false;
  bool made_here = false;                 // a new one that this process has locked
  std::optional<LoopDevice> device = {};  // of a new one that another process has made
};

// Opens the image, or a new one that another process has attached, or makes a new one, which is
// locked then. Waits `patience` for another process that is just doing so.
void open_or_make(ImageFiles const& files, ImageSettings const& settings, Opened& opened);

// Opens an image. Throws std::runtime_error if it is no regular file.
sys::Fd open_image(fs::path const& path);

// Whether the open file has this path.
bool is_at(int file, fs::path const& path);

// Makes the file root's alone.
void make_private(int file, fs::path const& path);

// The commit point: a new image gets its name. A process that has joined may be the first there.
void give_name(Opened const& opened, fs::path const& image);

// Removes what this process has made. Returns false, and removes nothing, if a loop device still
// has the file after `patience`.
bool discard(Opened const& opened, ImageSettings const& settings);

}  // namespace snapclone::image
