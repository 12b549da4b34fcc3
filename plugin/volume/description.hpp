// SPDX-License-Identifier: Apache-2.0
#pragma once

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
  std::optional<DiskUse> disk_use;
  std::uint64_t pool_size_bytes = 0;
  std::uint64_t pool_free_bytes = 0;
};

}  // namespace snapclone::volume
