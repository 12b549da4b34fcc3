// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

struct fiemap_extent;

// Where the content of a regular file lies on disk (ioctl_fiemap(2)). `fd` is open for reading.
namespace snapclone::tree {

// Calls `each` for every extent, in order, until it returns false. Returns false if the file system
// cannot list them.
bool for_each_extent(int fd, std::function<bool(fiemap_extent const& extent)> const& each);

// A number that two files have in common only if they are one, or share every extent. Nothing if
// the file system does not say where the content lies, or has not decided yet.
std::optional<std::uint64_t> extents_digest(int fd);

}  // namespace snapclone::tree
