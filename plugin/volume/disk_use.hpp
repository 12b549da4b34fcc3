// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "sys/background_thread.hpp"
#include "sys/mutex.hpp"
#include "volume/catalogue.hpp"
#include "volume/mount_points.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>

namespace snapclone::volume {

// Disk use, in bytes that nothing else shares (tree/disk_usage.hpp).
struct DiskUse {
  std::uint64_t own = 0;     // freed when the volume is removed
  std::uint64_t clones = 0;  // (snapshots) written by its live clones
  std::string measured;      // when, RFC 3339
};

// Measures all volumes again and again, on a thread of its own at low priority that rests twenty
// times as long as it works. Nothing else waits for it. A volume that cannot be measured just now
// keeps its last figures. Safe from every thread.
class DiskUseSampler {
 public:
  DiskUseSampler(Pool const& pool, backend::Backend const& backend, Catalogue const& catalogue,
                 MountPoints const& points)
      : pool_(pool), backend_(backend), catalogue_(catalogue), points_(points) {}
  DiskUseSampler(DiskUseSampler const&) = delete;
  DiskUseSampler& operator=(DiskUseSampler const&) = delete;

  // Throws sys::Error. The destructor ends the thread.
  void start();

  // One round, on the calling thread. For the thread, and for tests. Throws sys::Cancelled.
  void measure(std::stop_token const& stop = {});

  // Nothing until the volume has been measured.
  std::optional<DiskUse> of(VolumeName const& name) const;
  // The sum over all volumes, of the last round that could measure everything.
  std::optional<DiskUse> total() const;

 private:
  void run(std::stop_token const& stop);
  DiskUse measure_one(Record const& record, std::map<std::string, unsigned> const& named,
                      std::stop_token const& stop);
  std::uint64_t size_of_layer(std::string const& id, bool sealed, std::stop_token const& stop);

  Pool const& pool_;
  backend::Backend const& backend_;
  Catalogue const& catalogue_;
  MountPoints const& points_;

  std::map<std::string, std::uint64_t> sealed_;  // layers that do not change; the thread's own

  mutable sys::Mutex mutex_;
  std::map<VolumeName, DiskUse> found_ GUARDED_BY(mutex_);
  std::optional<DiskUse> total_ GUARDED_BY(mutex_);
  std::optional<sys::BackgroundThread> thread_;  // last: it uses all the others
};

}  // namespace snapclone::volume
