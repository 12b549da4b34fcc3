// SPDX-License-Identifier: Apache-2.0
#include "tree/extents.hpp"

#include <boost/container_hash/hash.hpp>

#include <vector>

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

namespace snapclone::tree {
namespace {

constexpr std::uint32_t kExtents = 128;
constexpr std::uint32_t kPlaceUnknown = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
                                        FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_INLINE |
                                        FIEMAP_EXTENT_DATA_TAIL | FIEMAP_EXTENT_NOT_ALIGNED;

}  // namespace

bool for_each_extent(int fd, std::function<bool(fiemap_extent const& extent)> const& each) {
  std::vector<std::uint64_t> buffer((sizeof(fiemap) + kExtents * sizeof(fiemap_extent)) / 8);
  auto* map = reinterpret_cast<fiemap*>(buffer.data());
  for (;;) {
    map->fm_length = FIEMAP_MAX_OFFSET - map->fm_start;
    map->fm_extent_count = kExtents;
    if (ioctl(fd, FS_IOC_FIEMAP, map) != 0) return false;
    if (map->fm_mapped_extents == 0) return true;
    for (std::uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      if (!each(map->fm_extents[i])) return true;
    }
    fiemap_extent const& last = map->fm_extents[map->fm_mapped_extents - 1];
    if ((last.fe_flags & FIEMAP_EXTENT_LAST) != 0) return true;
    map->fm_start = last.fe_logical + last.fe_length;
  }
}

std::optional<std::uint64_t> extents_digest(int fd) {
  std::size_t digest = 0;
  bool known = true;
  bool listed = for_each_extent(fd, [&](fiemap_extent const& extent) {
    known = (extent.fe_flags & kPlaceUnknown) == 0;
    boost::hash_combine(digest, extent.fe_logical);
    boost::hash_combine(digest, extent.fe_physical);
    boost::hash_combine(digest, extent.fe_length);
    return known;
  });
  if (!listed || !known) return std::nullopt;
  return digest;
}

}  // namespace snapclone::tree
