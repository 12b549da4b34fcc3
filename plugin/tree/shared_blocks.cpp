// SPDX-License-Identifier: Apache-2.0
#include "tree/shared_blocks.hpp"

#include <algorithm>
#include <bit>

namespace snapclone::tree {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kBlocksInRegion = 64;
constexpr std::size_t kMostRegions = 65536;

// Spreads neighbouring numbers (the finalizer of splitmix64).
std::uint64_t mixed(std::uint64_t number) {
  number = (number ^ number >> 30U) * 0xbf58476d1ce4e5b9;
  number = (number ^ number >> 27U) * 0x94d049bb133111eb;
  return number ^ number >> 31U;
}

// Bits from `first` up to `end`, of 64.
std::uint64_t bits(std::uint64_t first, std::uint64_t end) {
  std::uint64_t up_to_end =
      end == kBlocksInRegion ? ~std::uint64_t{0} : (std::uint64_t{1} << end) - 1;
  return up_to_end & ~std::uint64_t{0} << first;
}

}  // namespace

void SharedBlocks::add(std::uint64_t physical, std::uint64_t length) {
  if (length == 0) return;
  std::uint64_t block = physical / kBlock;
  std::uint64_t const end = (physical + length - 1) / kBlock + 1;
  while (block < end) {
    std::uint64_t region = block / kBlocksInRegion;
    std::uint64_t first = block % kBlocksInRegion;
    std::uint64_t last = std::min(kBlocksInRegion, first + (end - block));
    if (in_sample(region)) add_to_region(region, bits(first, last));
    block += last - first;
  }
}

bool SharedBlocks::in_sample(std::uint64_t region) const {
  return (mixed(region) & ((std::uint64_t{1} << halvings_) - 1)) == 0;
}

void SharedBlocks::add_to_region(std::uint64_t region, std::uint64_t blocks) {
  std::uint64_t& known = regions_[region];
  kept_ += static_cast<std::uint64_t>(std::popcount(blocks & ~known));
  known |= blocks;
  if (regions_.size() <= kMostRegions) return;
  ++halvings_;
  std::erase_if(regions_, [this](auto const& kept) {
    if (in_sample(kept.first)) return false;
    kept_ -= static_cast<std::uint64_t>(std::popcount(kept.second));
    return true;
  });
}

std::uint64_t SharedBlocks::bytes() const { return (kept_ << halvings_) * kBlock; }

}  // namespace snapclone::tree
