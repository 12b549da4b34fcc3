// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

// Making an empty xfs in a file, so that the plugin needs no mkfs.xfs beside it, and reading what
// one says of itself. Everything throws sys::Error for a call that failed.
namespace snapclone::image {

using Uuid = std::array<std::uint8_t, 16>;

// What the first superblock says. In bytes.
struct Xfs {
  Uuid uuid{};
  std::uint64_t size = 0;
  std::uint64_t group_size = 0;  // of an allocation group; it never changes
  std::uint64_t log_offset = 0;  // in the file
  std::uint64_t log_size = 0;
  bool operator==(Xfs const&) const = default;
};

inline constexpr std::uint64_t kLeastXfs = std::uint64_t{1} << 30U;

// Makes an empty xfs with reflinks of `size` bytes, a multiple of 4096 and at least kLeastXfs, in
// an empty file: the same as `mkfs.xfs -s size=4096 -m reflink=1,rmapbt=0 -i nrext64=0 -l size=64m`
// of xfsprogs 6.1 makes, with a size of the allocation groups that lets it grow far. Linux 5.10 can
// mount it. Everything that is zero stays a hole, but for the log: that has its space. Syncs
// nothing. The file is as long as the file system.
void make_xfs(int file, std::uint64_t size, Uuid const& uuid);

// Throws std::runtime_error, with what is wrong, if there is no sound superblock at the beginning.
Xfs read_xfs(int file);

}  // namespace snapclone::image
