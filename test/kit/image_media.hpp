// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/image.hpp"
#include "kit/media.hpp"

#include <optional>
#include <string>

namespace snapclone::test {

// An ext4 in memory for images. It has so much room that an image can be full while it is not, also
// beside all that other programs have written and the kernel has not: the plugin offers less by
// that.
struct HostMedia : Media {
  HostMedia();
};

// An image that the plugin made on one, mounted while the object lives. For a process that has not
// given up privileges.
class ImageMedia {
 public:
  ImageMedia();
  ~ImageMedia();  // as end(), but nobody hears of what is wrong
  ImageMedia(ImageMedia const&) = delete;
  ImageMedia& operator=(ImageMedia const&) = delete;

  // Unmounts the image, which nothing may use any more. Says what is wrong with it then; "" if
  // nothing is. Throws if a loop device keeps it.
  std::string end();

 private:
  HostMedia host_;

 public:
  fs::path const path;  // where it is mounted

 private:
  bool mounted_ = true;

 public:
  image::MountedImage const image;
};

}  // namespace snapclone::test
