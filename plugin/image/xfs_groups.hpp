// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/xfs_layout.hpp"

#include <bit>
#include <cstdint>
#include <vector>

// The blocks of an empty xfs that are not zero, as mkfs.xfs makes them. Pure.
namespace snapclone::image::layout {

// Where things lie.
struct Geometry {
  std::uint64_t size;
  std::uint32_t group_size;
  std::uint32_t groups;

  std::uint32_t log_group() const { return groups / 2; }
  std::uint64_t start_of(std::uint32_t group) const { return std::uint64_t{group} * group_size; }
  std::uint64_t log_start() const { return start_of(log_group()) + kFixedBlocks; }
  std::uint32_t length_of(std::uint32_t group) const {
    return group + 1 < groups ? group_size : static_cast<std::uint32_t>(size - start_of(group));
  }
  unsigned group_shift() const { return std::bit_width(group_size - 1); }
};

// For an xfs of so many bytes, or the whole blocks in them. xfs allows no last group of less than
// kLeastGroup: the file system ends before it.
Geometry geometry_of(std::uint64_t bytes);

Superblock superblock(Geometry const& geometry, Uuid const& uuid, std::uint32_t group);

// The fixed blocks of a group.
std::vector<Block> fixed_blocks(Geometry const& geometry, Uuid const& uuid, std::uint32_t group);

// The first chunk of inodes: the root directory, which is root's alone, the bitmap and the summary
// of the realtime device, made at `now` (nanoseconds since 1970), and free ones.
std::vector<Block> first_chunk(Uuid const& uuid, std::uint64_t now);

// The log's first block: a record that says that there is nothing to recover.
Block log_record(Uuid const& uuid);

}  // namespace snapclone::image::layout
