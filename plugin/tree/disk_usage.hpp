// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/shared_blocks.hpp"
#include "tree/tree_path.hpp"

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace snapclone::tree {

namespace fs = boost::filesystem;

// A regular file, and what overlayfs writes when it copies the file up: all its content, and holes
// of less than 1 MiB as well. In bytes.
struct LargeFile {
  std::string path;  // inside the tree
  std::uint64_t size = 0;
  std::uint64_t copied = 0;
};

struct DiskUsage {
  std::uint64_t own = 0;           // bytes on disk that the tree alone takes
  std::uint64_t shared = 0;        // bytes on disk that its files share with other files
  std::vector<LargeFile> largest;  // the kLargestFiles costliest to copy up, the costliest first
};

inline constexpr std::size_t kLargestFiles = 4;

struct DiskUsageOptions {
  std::stop_token stop = {};              // looked at before each entry
  SharedBlocks* shared_blocks = nullptr;  // gets each shared extent
  // Is shown every regular file and directory but the root, by a descriptor with O_PATH.
  std::function<void(int entry, TreePath const& place)> visit = {};
};

// Measures a tree, as far as the file system tells: on btrfs and xfs, extents that reflinks or
// snapshots share count as shared (ioctl_fiemap(2), FIEMAP_EXTENT_SHARED), also if both files are
// in the tree; elsewhere every block is the tree's own. A file with several names counts once. A
// change during the walk may count or not. The walk follows no link and crosses no mount.
//
// Throws sys::Error, even if only a part of the tree cannot be read, or sys::Cancelled.
DiskUsage disk_usage(fs::path const& root, DiskUsageOptions const& options = {});

}  // namespace snapclone::tree
