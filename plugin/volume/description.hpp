// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/image.hpp"
#include "image/space.hpp"
#include "volume/catalogue.hpp"
#include "volume/disk_use.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The Store's answers about its volumes, snapshots and clones.
namespace snapclone::volume {

// A Description lists the newest 20 of a snapshot's live clones.
inline constexpr std::size_t kDescribedClones = 20;

struct ImageUse {
  image::MountedImage image;
  image::SpaceReport space;
};

// The pool, and the file system that holds it, in bytes.
struct PoolSpace {
  std::uint64_t size = 0;  // of the file system
  std::uint64_t free = 0;  // there, for those who are not root
  std::optional<PoolUse> use;
  std::optional<bool> reflinks;  // Backend::reflinks()
  std::optional<ImageUse> image = {};
  std::string why_no_image = {};
};

// A volume or snapshot, for Get.
struct Description {
  VolumePtr volume;
  std::string mountpoint;  // "" if it is not mounted, and of a snapshot
  std::string backend;
  std::string backend_reason;  // why it is that one
  std::size_t mounts = 0;
  std::size_t clones = 0;               // live ones
  std::vector<CloneAge> newest_clones;  // not more than kDescribedClones
  std::optional<DiskUse> disk_use;
  PoolSpace pool;
};

// The same, for List.
struct Summary {
  VolumeName name;
  std::string mountpoint;
  std::string created;
};

// Sums over everything, for metrics.
struct Totals {
  std::string backend;
  std::uint64_t volumes = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t unreadable = 0;
  std::uint64_t mounted_volumes = 0;
  std::uint64_t live_clones = 0;
  std::uint64_t layers = 0;
  std::uint64_t trash = 0;
  PoolSpace pool;
};

}  // namespace snapclone::volume
