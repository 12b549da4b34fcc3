// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/tree_path.hpp"

#include <string>

// Descriptors (O_PATH) of what lies beneath a directory. No link is followed, no mount is crossed,
// and nothing is opened: what a device or a fifo does when it is opened does not happen. They
// return -1 and leave errno if that fails.
namespace snapclone::tree {

// What has this name, also a symbolic link. "." is the directory itself.
sys::Fd open_beneath(int directory, std::string const& name);

// The path that leads to exactly what a descriptor holds, also if that is a symbolic link. For
// calls that take no O_PATH descriptor, and for opening a file that is known to be a regular one.
inline std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// The directory at a place of the tree whose root `directory` is, however deep it lies.
sys::Fd open_directory_beneath(int directory, TreePath const& place);

}  // namespace snapclone::tree
