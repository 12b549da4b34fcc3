// SPDX-License-Identifier: Apache-2.0
#include "fuzz/input.hpp"
#include "image/xfs_groups.hpp"

#include <algorithm>
#include <optional>

namespace snapclone::fuzz {
namespace {

using namespace image;
using namespace image::layout;

std::optional<Xfs> decoded(std::string_view block) {
  try {
    return decode_superblock(block);
  } catch (std::runtime_error const& error) {
    require_sentence(error.what());
    return std::nullopt;
  }
}

void check(Xfs const& xfs) {
  require(xfs.size % kBlock == 0 && xfs.size < std::uint64_t{1} << 63U,
          "a file can be as large as the xfs");
  require(xfs.group_size % kBlock == 0 && xfs.group_size >= std::uint64_t{kLeastGroup} * kBlock &&
              xfs.group_size <= std::uint64_t{kLargestGroup} * kBlock,
          "groups have a size that xfs allows");
  require(xfs.log_offset % kBlock == 0 && xfs.log_offset > 0 && xfs.log_size % kBlock == 0 &&
              xfs.log_size > 0,
          "there is a log behind the superblock");
  require(xfs.log_offset < xfs.size && xfs.log_size <= xfs.size - xfs.log_offset,
          "the log lies in the xfs");
  require(xfs.log_offset / xfs.group_size == (xfs.log_offset + xfs.log_size - 1) / xfs.group_size,
          "the log lies in one group");
}

// The input as the beginning of a superblock, with a checksum that is right.
Block sealed(std::string_view input) {
  Block block{};
  std::copy_n(input.begin(), std::min(input.size(), block.size()), block.begin());
  Superblock super;
  std::memcpy(&super, block.data(), sizeof super);
  seal(block.data(), block.size(), super);
  return block;
}

// One that the plugin itself might write.
void check_made(std::string_view input) {
  Bytes bytes(input);
  std::uint64_t more = 0;  // blocks, up to 4 PiB in all
  for (int i = 0; i < 5; ++i) more = more << 8U | bytes.below(256);
  std::uint64_t const size = kLeastXfs + more * kBlock;
  Uuid uuid{};
  for (auto& byte : uuid) byte = static_cast<std::uint8_t>(bytes.below(256));
  Block block{};
  seal(block.data(), block.size(), superblock(geometry_of(size), uuid, 0));
  std::optional<Xfs> const xfs = decoded({block.data(), block.size()});
  require(xfs.has_value(), "a superblock that the plugin made is understood");
  check(*xfs);
  require(xfs->uuid == uuid && xfs->group_size == group_size(size) && xfs->size <= size &&
              size - xfs->size < std::uint64_t{kLeastGroup} * kBlock,
          "a superblock says what was asked for");
}

}  // namespace

void superblocks(std::string_view input) {
  if (auto xfs = decoded(input)) check(*xfs);
  Block const block = sealed(input);
  if (auto xfs = decoded({block.data(), block.size()})) check(*xfs);
  check_made(input);
}

}  // namespace snapclone::fuzz
