// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"
#include "sys/file.hpp"
#include "sys/mount.hpp"
#include "volume/record.hpp"

#include <optional>
#include <string>

namespace snapclone::volume {

namespace fs = boost::filesystem;

// The directories to mount on. They lie on a tmpfs of their own, because the kernel's work for a
// mount grows with the number of mounts that are children of the one its layers lie on. Only root
// can enter: the engine and its runtime do, and a container gets its mount without the path to it.
// Constant after construction.
class MountPoints {
 public:
  // Makes the directory and mounts the tmpfs, unless an earlier process did. Locks the directory
  // for its lifetime, since a start unmounts whatever its own pool does not have. Throws if another
  // process has the lock.
  explicit MountPoints(fs::path root);

  fs::path const& root() const { return root_; }
  fs::path clones() const { return root_ / "clones"; }
  fs::path clone(std::string const& id) const { return clones() / id; }
  fs::path volumes() const { return root_ / "volumes"; }
  fs::path volume(std::string const& name) const { return volumes() / name; }
  // Whether a volume is mounted. Costs half of sys::is_mounted(): List asks it for every volume.
  bool has_volume(std::string const& name) const { return sys::is_mounted(volume(name), device_); }
  // The tmpfs that a clone in memory writes to.
  fs::path memory() const { return root_ / "memory"; }
  fs::path memory(std::string const& clone_id) const { return memory() / clone_id; }
  // For a mount of a stack while it is copied into one layer.
  fs::path view(std::string const& name) const { return views() / name; }
  fs::path views() const { return root_ / "views"; }
  fs::path trial() const { return root_ / "trial"; }
  // For temporary directories: the pool's disk may be full.
  fs::path probes() const { return root_ / "probes"; }

 private:
  fs::path root_;
  sys::Fd below_;  // locks the directory while the tmpfs is mounted on it
  sys::Fd lock_;
  dev_t device_;  // of the tmpfs
};

// Where a live clone's own tree is: on a tmpfs here if it is in memory, in the pool otherwise.
fs::path tree_of(pool::Pool const& pool, MountPoints const& points, CloneRecord const& clone);

// What an earlier process has mounted for containers below this directory, if anything is.
std::optional<fs::path> left_mounted(fs::path const& root);

// Unmounts whatever is mounted there, and removes the directory.
void clear_mount_point(fs::path const& target);

// The same for all that a clone has mounted.
void clear_clone(MountPoints const& points, std::string const& clone_id);

}  // namespace snapclone::volume
