// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "sys/background_thread.hpp"
#include "sys/mutex.hpp"
#include "tree/disk_usage.hpp"
#include "volume/catalogue.hpp"
#include "volume/mount_points.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

namespace snapclone::volume {

// The file of a snapshot whose first write in a clone costs most, where overlayfs then copies the
// whole file: on a pool without reflinks, and to memory. In bytes.
struct FirstWrite {
  std::string file;  // its path in the snapshot
  std::uint64_t size = 0;
  std::uint64_t copied = 0;  // its content, and holes of less than 1 MiB
};

// What a volume or snapshot takes, in bytes on disk.
struct DiskUse {
  std::uint64_t own = 0;     // freed when it is removed
  std::uint64_t shared = 0;  // also used by others: layers that several records name, and extents
                             // that other files share (tree/disk_usage.hpp)
  std::uint64_t clones = 0;  // (snapshots) written by its live clones, to disk or memory
  std::string measured;      // when, RFC 3339
  std::optional<FirstWrite> first_write = {};  // (snapshots) if files are copied
  std::uint64_t total() const { return own + shared; }
};

// What everything in the pool takes, in bytes on disk; what is shared counts once.
struct PoolUse {
  std::uint64_t used = 0;     // everything: volumes, clones on disk, and what waits
  std::uint64_t volumes = 0;  // volumes and snapshots
  std::uint64_t clones = 0;   // the sum of DiskUse::clones
  std::uint64_t waiting = 0;  // in trash/: freed soon, or once its last container ends
  std::string measured;       // when, RFC 3339
};

// Measures all volumes again and again, on a thread of its own at low priority that rests twenty
// times as long as it works. Nothing else waits for it. A volume that cannot be measured just now
// keeps its last figures. On the way it looks once at each sealed layer of overlayfs, and logs what
// is different in it since it was sealed (tree/sealed_layer.hpp). Safe from every thread.
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

  // A sealed layer has changed: it is measured anew in the next round.
  void forget(std::string const& layer);

  // Nothing until the volume has been measured.
  std::optional<DiskUse> of(VolumeName const& name) const;
  // Of the last round that could measure everything.
  std::optional<PoolUse> pool_use() const;

 private:
  using Sizes = std::map<std::string, tree::DiskUsage>;  // by layer
  struct Round;

  void run(std::stop_token const& stop);
  void measure_layers(Round& round, std::vector<VolumePtr> const& volumes);
  void measure_volumes(Round& round, std::vector<VolumePtr> const& volumes);
  std::optional<DiskUse> measure_one(Round& round, Record const& record) const;
  std::optional<FirstWrite> first_write(Round const& round, Stack const& stack) const;
  tree::DiskUsage usage_of_sealed(Round& round, std::string const& layer);

  Pool const& pool_;
  backend::Backend const& backend_;
  Catalogue const& catalogue_;
  MountPoints const& points_;

  std::set<std::string> checked_;  // sealed layers; the thread's own

  mutable sys::Mutex mutex_;
  Sizes sealed_ GUARDED_BY(mutex_);                 // of layers that do not change
  std::uint64_t forgotten_ GUARDED_BY(mutex_) = 0;  // how often forget() was called
  std::map<VolumeName, DiskUse> found_ GUARDED_BY(mutex_);
  std::optional<PoolUse> pool_use_ GUARDED_BY(mutex_);
  std::optional<sys::BackgroundThread> thread_;  // last: it uses all the others
};

}  // namespace snapclone::volume
