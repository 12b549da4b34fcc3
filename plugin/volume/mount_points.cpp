// SPDX-License-Identifier: Apache-2.0
#include "volume/mount_points.hpp"

#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "tree/remove_tree.hpp"

#include <stdexcept>
#include <utility>

#include <sys/file.h>
#include <unistd.h>

namespace snapclone::volume {

namespace {

// As deep as trials mount.
void unmount_below(fs::path const& directory, int levels) {
  if (levels == 0 || !sys::exists(directory)) return;
  for (auto const& name : sys::list_dir(directory)) {
    while (sys::is_mounted(directory / name)) sys::unmount(directory / name);
    unmount_below(directory / name, levels - 1);
  }
}

sys::Fd lock(fs::path const& root) {
  sys::Fd fd = sys::open_dir(root);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) sys::fail("lock", root.string());
  throw std::runtime_error("the mount points in " + root.string() +
                           " are in use by another snapclone: each needs a directory of its own, "
                           "which --mounts gives it");
}

}  // namespace

MountPoints::MountPoints(fs::path root) : root_(std::move(root)) {
  sys::ensure_dir(root_);
  lock_ = lock(root_);
  if (!sys::is_mounted(root_)) {
    sys::mount_tmpfs(root_, "mode=0700,size=1m");
    below_ = std::exchange(lock_, lock(root_));
  }
  sys::make_private(root_);
  device_ = sys::device_of(root_);
  // Trials of a process that was killed.
  clear_mount_point(trial());
  unmount_below(probes(), 2);
  tree::remove_tree(probes());
  for (auto const& path : {clones(), memory(), volumes(), views(), trial(), probes()}) {
    sys::ensure_dir(path);
  }
  for (auto const& name : sys::list_dir(views())) clear_mount_point(view(name));
}

fs::path tree_of(pool::Pool const& pool, MountPoints const& points, CloneRecord const& clone) {
  return clone.in_memory ? points.memory(clone.id) : pool.clone(clone.id);
}

std::optional<fs::path> left_mounted(fs::path const& root) {
  for (auto const* kind : {"clones", "memory", "volumes"}) {
    if (!sys::exists(root / kind)) continue;
    for (auto const& name : sys::list_dir(root / kind)) {
      if (sys::is_mounted(root / kind / name)) return root / kind / name;
    }
  }
  return std::nullopt;
}

void clear_mount_point(fs::path const& target) {
  try {
    while (sys::is_mounted(target)) sys::unmount(target);
  } catch (sys::Error const& error) {
    // is_mounted() takes what it cannot look at for mounted. Here the kernel says that it is not.
    if (error.code() != ENOENT && error.code() != EINVAL) throw;
  }
  if (rmdir(target.c_str()) != 0 && errno != ENOENT) {
    sys::log_warning(sys::Error("remove mount point", target.string(), errno).what());
  }
}

void clear_clone(MountPoints const& points, std::string const& clone_id) {
  clear_mount_point(points.clone(clone_id));
  clear_mount_point(points.memory(clone_id));
}

}  // namespace snapclone::volume
