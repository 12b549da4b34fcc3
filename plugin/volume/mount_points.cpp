// SPDX-License-Identifier: Apache-2.0
#include "volume/mount_points.hpp"

#include "clone/tree.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"

#include <unistd.h>

namespace snapclone::volume {

MountPoints::MountPoints(fs::path root) : root_(std::move(root)) {
  sys::ensure_dir(root_);
  if (!sys::is_mounted(root_)) sys::mount_tmpfs(root_, "mode=0711,size=1m");
  // What a process that died was trying out.
  clear_mount_point(trial());
  clone::remove_tree(probes(), [] {});
  for (auto const& path : {clones(), volumes(), views(), trial(), probes()}) {
    sys::ensure_dir(path, 0711);
  }
  for (auto const& name : sys::list_dir(views())) clear_mount_point(view(name));
}

void clear_mount_point(fs::path const& target) {
  while (sys::is_mounted(target)) sys::unmount(target);
  if (rmdir(target.c_str()) != 0 && errno != ENOENT) {
    sys::log_warning(sys::Error("remove mount point", target.string(), errno).what());
  }
}

}  // namespace snapclone::volume
