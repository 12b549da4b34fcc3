// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/tree_path.hpp"

#include <string>

// Descriptors (O_PATH) of what lies beneath a directory. No link is followed, no mount is crossed,
// and nothing is opened, so no device or fifo notices. The functions return -1 and set errno if
// they fail.
namespace snapclone::tree {

// The entry of this name, which may be a symbolic link. "." is the directory itself.
sys::Fd open_beneath(int directory, std::string const& name);

// A path to exactly the file that a descriptor holds, even if that is a symbolic link. For calls
// that take no O_PATH descriptor, and for opening a file that is known to be a regular one.
inline std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// The directory at a place of the tree whose root `directory` is, however deep it lies.
sys::Fd open_directory_beneath(int directory, TreePath const& place);

}  // namespace snapclone::tree
