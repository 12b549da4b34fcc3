// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "volume/catalogue.hpp"
#include "volume/mount_points.hpp"

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace snapclone::volume {

// Disk use, in bytes that nothing else shares (tree/disk_usage.hpp).
struct DiskUse {
  std::uint64_t own = 0;     // what goes when the volume is removed
  std::uint64_t clones = 0;  // (snapshots) what its live clones have written
  std::string measured;      // when, RFC 3339
};

// Measures all volumes again and again, in the background and at low priority: on a thread of its
// own, which rests twenty times as long as it works. Nothing else waits for it, and what cannot be
// measured just now keeps its last figures. Safe from every thread.
class UsageSampler {
 public:
  UsageSampler(Pool const& pool, backend::Backend const& backend, Catalogue const& catalogue,
               MountPoints const& points)
      : pool_(pool), backend_(backend), catalogue_(catalogue), points_(points) {}
  UsageSampler(UsageSampler const&) = delete;
  UsageSampler& operator=(UsageSampler const&) = delete;
  ~UsageSampler();

  void start();

  // One round, on the calling thread. For the thread, and for tests.
  void measure();

  // Nothing as long as the volume has not been measured.
  std::optional<DiskUse> of(VolumeName const& name) const;
  // The sum over all volumes, measured in one round; nothing before the first has ended.
  std::optional<DiskUse> total() const;

 private:
  void run();
  std::uint64_t size_of(fs::path const& tree);
  std::uint64_t size_of_layer(std::string const& id, bool sealed);

  Pool const& pool_;
  backend::Backend const& backend_;
  Catalogue const& catalogue_;
  MountPoints const& points_;

  std::map<std::string, std::uint64_t> sealed_;  // layers that do not change; the thread's own

  mutable std::mutex mutex_;  // guards all below but the thread
  std::condition_variable changed_;
  std::map<VolumeName, DiskUse> found_;
  std::optional<DiskUse> total_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace snapclone::volume
