// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>
#include <vector>

// Mounting and asking about mounts, in this process's mount namespace. Everything throws
// sys::Error; every function may be called from any thread.
namespace snapclone::sys {

// Whether a file system with its own device number is mounted on the directory, which lies on a
// healthy one. True for every overlay and tmpfs, also for a broken one on which every call fails.
// It does not see a bind mount within one file system.
bool is_mounted(fs::path const& directory);
// The same, for a caller who knows the device number of the directory's parent.
bool is_mounted(fs::path const& directory, dev_t around);
dev_t device_of(fs::path const& path);

// Makes the directory if it is missing, to mount on. If something is mounted there already, it may
// be a dead file system: the directory is then not opened.
void ensure_mount_point(fs::path const& directory);

// One overlay. `base` is a directory's descriptor. The paths of lower layers are relative to it,
// which keeps the option string short, and consist of letters, digits and "/._-". `upper` and
// `work` exist, and are relative to it or absolute; `target` is absolute. Those three may have any
// name.
struct Overlay {
  int base = -1;
  std::string source;              // what `df` shows as the file system's name
  std::vector<std::string> lower;  // topmost first
  std::string upper;               // none: it can be read only, and needs two lower ones
  std::string work;
  std::string options;  // further ones, comma separated
  bool read_only = false;
};

// Throws if the options do not fit into the page that mount(2) takes: the kernel would cut the
// string silently and might mount the wrong layers.
void mount_overlay(Overlay const& overlay, fs::path const& target);

// Makes an overlay and closes it at once, without attaching it anywhere. Returns 0 or errno.
int try_overlay(Overlay const& overlay);

// Binds a directory to another one, without the mounts inside it.
void bind(fs::path const& from, fs::path const& target);
// Makes such a mount read-only. Copies that were propagated before stay writable.
void make_bind_read_only(fs::path const& target);

void mount_tmpfs(fs::path const& target, std::string const& options);

// Unmounts. A busy mount is detached instead, and goes with its last user.
void unmount(fs::path const& target);

}  // namespace snapclone::sys
