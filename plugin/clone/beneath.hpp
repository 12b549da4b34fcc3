// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>

// Descriptors (O_PATH) of what lies beneath a directory. No link is followed, no mount is crossed,
// and nothing is opened: what a device or a fifo does when it is opened does not happen. Both
// return -1 and leave errno if that fails.
namespace snapclone::clone {

// What has this name, also a symbolic link. "." is the directory itself.
sys::Fd hold(int directory, std::string const& name);

// The directory at a path of any length; "" is the directory itself.
sys::Fd hold_directory(int directory, std::string const& path);

}  // namespace snapclone::clone
