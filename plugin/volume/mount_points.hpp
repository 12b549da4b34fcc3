// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>

namespace snapclone::volume {

namespace fs = boost::filesystem;

// Where things are mounted: on a tmpfs of their own, because the kernel's work for a mount grows
// with the number of mounts that are children of the one its layers lie on. Constant after
// construction.
class MountPoints {
 public:
  // Makes the directory and mounts the tmpfs, unless a process before us did.
  explicit MountPoints(fs::path root);

  fs::path const& root() const { return root_; }
  fs::path clones() const { return root_ / "clones"; }
  fs::path clone(std::string const& id) const { return clones() / id; }
  fs::path volumes() const { return root_ / "volumes"; }
  fs::path volume(std::string const& name) const { return volumes() / name; }
  // Where what a volume shows is read while it is copied into one layer.
  fs::path view(std::string const& name) const { return views() / name; }
  fs::path views() const { return root_ / "views"; }
  fs::path trial() const { return root_ / "trial"; }
  // Scratch directories that do not need the pool's disk, which may be full.
  fs::path probes() const { return root_ / "probes"; }

 private:
  fs::path root_;
};

// Unmounts whatever is mounted there, and removes the directory.
void clear_mount_point(fs::path const& target);

}  // namespace snapclone::volume
