// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace snapclone::tree {

// How many bytes of a disk some extents cover, each byte counted once: files share extents with
// each other, and an overwritten part splits them in one file and not in the other. Exact up to
// 16 GiB at least. Beyond that only a sample of the disk's regions is kept, in at most 4 MiB of
// memory, and the sum is an estimate that is right within about one percent. For one thread.
class SharedBlocks {
 public:
  // `physical` and `length` are in bytes. What is not a multiple of 4 KiB is rounded outwards.
  void add(std::uint64_t physical, std::uint64_t length);
  std::uint64_t bytes() const;

 private:
  bool in_sample(std::uint64_t region) const;
  void add_to_region(std::uint64_t region, std::uint64_t blocks);

  std::unordered_map<std::uint64_t, std::uint64_t> regions_;  // a bit for each block
  std::uint64_t kept_ = 0;                                    // blocks
  unsigned halvings_ = 0;                                     // of the sample
};

}  // namespace snapclone::tree
