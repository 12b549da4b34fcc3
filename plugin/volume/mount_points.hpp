// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"
#include "sys/file.hpp"
#include "sys/mount.hpp"
#include "volume/record.hpp"

#include <string>

namespace snapclone::volume {

namespace fs = boost::filesystem;

// Where things are mounted: on a tmpfs of their own, because the kernel's work for a mount grows
// with the number of mounts that are children of the one its layers lie on. Root alone can enter:
// the engine and its runtime do, and a container gets its mount without the path to it. Constant
// after construction.
class MountPoints {
 public:
  // Makes the directory and mounts the tmpfs, unless a process before us did. Locks it for the
  // object's lifetime, and throws if another process has the lock: each would unmount what the
  // other mounted.
  explicit MountPoints(fs::path root);

  fs::path const& root() const { return root_; }
  fs::path clones() const { return root_ / "clones"; }
  fs::path clone(std::string const& id) const { return clones() / id; }
  fs::path volumes() const { return root_ / "volumes"; }
  fs::path volume(std::string const& name) const { return volumes() / name; }
  // Whether a volume is mounted. Half the cost of sys::is_mounted(), for List asks for many.
  bool has_volume(std::string const& name) const { return sys::is_mounted(volume(name), device_); }
  // The tmpfs of each clone in memory.
  fs::path memory() const { return root_ / "memory"; }
  fs::path memory(std::string const& clone_id) const { return memory() / clone_id; }
  // Where a stack is mounted while it is copied into one layer.
  fs::path view(std::string const& name) const { return views() / name; }
  fs::path views() const { return root_ / "views"; }
  fs::path trial() const { return root_ / "trial"; }
  // Scratch directories that do not need the pool's disk, which may be full.
  fs::path probes() const { return root_ / "probes"; }

 private:
  fs::path root_;
  sys::Fd below_;  // locks the directory while the tmpfs is mounted on it
  sys::Fd lock_;
  dev_t device_;  // of the tmpfs
};

// Where a live clone's own tree is: on a tmpfs here if it is in memory, in the pool otherwise.
fs::path tree_of(pool::Pool const& pool, MountPoints const& points, CloneRecord const& clone);

// Unmounts whatever is mounted there, and removes the directory.
void clear_mount_point(fs::path const& target);

// The same for all that a clone has mounted.
void clear_clone(MountPoints const& points, std::string const& clone_id);

}  // namespace snapclone::volume
