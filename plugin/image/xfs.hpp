// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

// Making an empty xfs in a file, so that the plugin needs no mkfs.xfs beside it, and reading what
// one says of itself. Nothing keeps state, so every function may be called from any thread.
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

// The size of the allocation groups for an xfs of so many bytes: 16 GiB from 64 GiB on, so that it
// can grow to many TiB; a quarter of it below, as mkfs.xfs has it.
std::uint64_t group_size(std::uint64_t size);

// Makes an empty xfs with reflinks of `size` bytes, a multiple of 4096 and at least kLeastXfs, in
// an empty file: the same as `mkfs.xfs -s size=4096 -m reflink=1,rmapbt=0 -i nrext64=0 -l size=64m
// -d agsize=GROUP_SIZE` of xfsprogs 6.1 makes, but for its root directory, which is root's alone.
// Linux 5.10 can mount it. As with mkfs.xfs, it is up to 16 MiB smaller than `size` if its last
// group would be smaller than that. Everything that is zero stays a hole, but for the log, which
// has its space. The file is as long as the file system. Syncs nothing. Throws sys::Error, and then
// there may be anything in the file.
void make_xfs(int file, std::uint64_t size, Uuid const& uuid);

// Throws std::runtime_error, with what is wrong, if there is no sound superblock at the beginning
// of the file, or one without a log, or the file ends before its file system; sys::Error if it
// cannot be read. While the file system is mounted, a change of its size comes into the file late.
Xfs read_xfs(int file);

// What the first 4096 bytes of a file say. Throws std::runtime_error with what is wrong, without
// the file's name. For any bytes.
Xfs decode_superblock(std::string_view block);

}  // namespace snapclone::image
