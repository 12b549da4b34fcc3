// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/tree_path.hpp"

#include <string>

// Descriptors (O_PATH) of entries beneath a directory. These functions follow no link, cross no
// mount, and do not have the effects of opening a device or a fifo. If they fail they return -1 and
// leave errno.
namespace snapclone::tree {

// The entry with this name, also if it is a symbolic link. "." is the directory itself.
sys::Fd open_beneath(int directory, std::string const& name);

// A path to exactly the file of a descriptor, also if that is a symbolic link. For calls that take
// no O_PATH descriptor, and to open a file that is known to be a regular one.
inline std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// The directory at this place in the tree with the root `directory`, at any depth.
sys::Fd open_directory_beneath(int directory, TreePath const& place);

// The directory itself, not with O_PATH but to list its entries. That does not change its atime.
sys::Fd open_for_listing(int directory);

}  // namespace snapclone::tree
