// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/image.hpp"

#include <optional>
#include <string>

// Where the volumes lie: in the pool's directory itself, or in an image that is mounted on it.
namespace snapclone {

namespace fs = boost::filesystem;

// What a start finds, for the decision.
struct Circumstances {
  bool image = false;     // there is one
  bool volumes = false;   // the directory itself, below any mount, holds some, or remains of some
  bool mounted = false;   // a file system is mounted on it
  bool reflinks = false;  // its files can share blocks
  std::string filesystem = {};  // a kind that takes no image, unfit_filesystem(); "" for any other
};

// Changes nothing.
Circumstances look_at(fs::path const& pool, bool image_wanted);

// What takes no image, by the f_type of statfs(2): "a network file system"; "" for any other.
std::string unfit_filesystem(long type);

struct Decision {
  bool image = false;
  std::string why = {};  // for the log and Status: why it is not as the settings say
};

// An image that exists is used, whatever the settings say, and volumes stay where they are. Throws
// std::runtime_error if the start must end here.
Decision decide(bool image_wanted, Circumstances const& found);

struct Place {
  std::optional<image::MountedImage> image = {};
  std::string why = {};
};

// Finds out what is there, decides, and mounts the image if that is where the volumes lie. An
// empty image takes over the identity of the directory's empty pool, and the directory is told that
// it has an image (PoolFormat::in_image), so that a lost one is missed. If the file `remembered`
// names another pool (check_remembered()), no image is made. Throws std::runtime_error with the
// sentence for the log. For a process without a second thread.
Place take_place(fs::path const& pool, bool image_wanted, image::ImageSettings const& settings,
                 fs::path const& remembered = {});

}  // namespace snapclone
