// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <cstdint>
#include <stop_token>

namespace snapclone::tree {

namespace fs = boost::filesystem;

// The bytes on disk that a tree alone takes, as far as the file system tells: on btrfs and xfs,
// extents that reflinks or snapshots share do not count (ioctl_fiemap(2), FIEMAP_EXTENT_SHARED);
// elsewhere every block counts. A file with several names counts once. A change during the walk may
// count or not. The walk follows no link and crosses no mount.
//
// Checks `stop` before each entry. Throws sys::Error, even if only a part of the tree cannot be
// read, or sys::Cancelled.
std::uint64_t disk_usage(fs::path const& root, std::stop_token const& stop = {});

}  // namespace snapclone::tree
