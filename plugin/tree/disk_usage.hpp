// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <cstdint>
#include <functional>

namespace snapclone::tree {

namespace fs = boost::filesystem;

// Bytes on the disk that a tree takes and nothing else shares, as far as the file system says so:
// on btrfs and xfs extents that are shared by reflinks or snapshots do not count (ioctl_fiemap(2),
// FIEMAP_EXTENT_SHARED), on others every block does. A file with several names counts once. What is
// being written meanwhile counts or not. No link is followed and no mount crossed.
//
// `pace` is called for every entry, and throws to stop. Throws sys::Error.
std::uint64_t disk_usage(fs::path const& root, std::function<void()> const& pace);

}  // namespace snapclone::tree
