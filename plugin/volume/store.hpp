// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/select.hpp"
#include "image/image.hpp"
#include "image/space.hpp"
#include "volume/catalogue.hpp"
#include "volume/description.hpp"
#include "volume/disk_use.hpp"
#include "volume/in_use.hpp"
#include "volume/mount_points.hpp"
#include "volume/mounts.hpp"
#include "volume/options.hpp"
#include "volume/pruner.hpp"
#include "volume/trash.hpp"
#include "volume/turns.hpp"
#include "volume/volumes.hpp"

#include <boost/system/result.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace snapclone::volume {

struct StoreSettings {
  fs::path mounts;                                // the directory for mount points
  std::string backend = {};                       // BACKEND: "" leaves the choice to the pool
  std::optional<image::MountedImage> image = {};  // that the pool lies in
  image::Space const* image_space = nullptr;      // of that; it lives longer
  std::string why_no_image = {};                  // if one was asked for
  std::chrono::milliseconds settle = std::chrono::seconds(3);        // in_use.hpp
  std::chrono::milliseconds prune_pause = std::chrono::seconds(20);  // pruner.hpp
};

// The objects behind the Store, each above those that it uses.
struct StoreParts {
  StoreParts(Pool opened, StoreSettings const& settings);

  Pool pool;
  MountPoints points;
  backend::Selection selection;
  backend::Backend& backend;
  Catalogue catalogue;
  Trash trash;
  InUse in_use;
  Mounts mounts;
  Volumes volumes;
  DiskUseSampler disk_use;
  Pruner pruner;
};

// The front door: all volumes, snapshots and clones of one pool, and what may be done with them.
// Every verb takes its turns here: verbs that could meet run one after the other. Safe from every
// thread.
//
//   Create         the turns of its name and its source, so that no Mount comes between the proof
//                  that the source is idle and its sealing; of NAME@MOUNT then that clone's turn
//   Remove         the name's
//   Mount, Unmount of a snapshot: one for each mount ID, so they run in parallel; of a volume: the
//                  name's
//
// A verb runs on a thread of `execute` and then calls `done` there, once, with what it returned or
// threw (Refusal, sys::Error, Cancelled). `done` must not throw.
class Store {
 public:
  template <class T>
  using Result = boost::system::result<T, std::exception_ptr>;
  template <class T>
  using Done = std::function<void(Result<T> const&)>;

  // Selects the backend and tries it out on the pool. Throws std::runtime_error if none works.
  Store(Pool pool, StoreSettings const& settings, Turns::Execute execute);

  // Recovers what the last process left, and lets through what when_open() keeps back. Once. Throws
  // if the pool cannot be used; afterwards nothing that fails is thrown. Blocks.
  void open();
  // Calls `job` at once or, before open() has ended, on open()'s thread at its end. Call the
  // functions below only then.
  void when_open(std::function<void()> job);

  void create(CreateRequest const& request, Done<void> const& done);
  void remove(VolumeName const& name, Done<void> const& done);
  void mount(VolumeName const& name, MountId const& mount_id, Done<Mounted> const& done);
  // `done` is called as soon as a clone is gone; the kernel takes its mount down after that, still
  // in the verb's turn.
  void unmount(VolumeName const& name, MountId const& mount_id, Done<void> const& done);
  // Undoes a first Mount whose answer nobody got: Mounts::take_back().
  void take_back(VolumeName const& name, MountId const& mount_id, std::uint64_t serial,
                 Done<void> const& done);
  // The engine has repeated a Mount without saying which: LiveMounts::doubt_adopted().
  void doubt_adopted() { parts_.catalogue.doubt_adopted(); }

  // Answered on the calling thread, from memory, a look at the mount point of a mounted volume, and
  // for describe() what the pool's file system says of itself, which needs no disk.
  std::optional<Description> describe(VolumeName const& name) const;
  std::vector<Summary> list() const;

  // Reads directories; throws sys::Error.
  Totals totals() const;

  std::string_view backend() const { return parts_.backend.name(); }
  std::string const& backend_reason() const { return parts_.selection.why; }
  fs::path const& pool_root() const { return parts_.pool.root(); }

  // idle(): whether no verb runs or waits. cancel_copies() ends running copies with Cancelled.
  bool idle() const { return turns_.idle(); }
  void cancel_copies() { parts_.backend.cancel_copies(); }

  // For tests that look behind the door.
  StoreParts& parts() { return parts_; }

 private:
  using Work = std::function<void()>;

  std::string turn_of_mount(VolumeName const& name, MountId const& mount_id) const;
  void in_turn_of_mount(VolumeName const& name, MountId const& mount_id, Lane lane,
                        Work const& work);
  void check_room() const;
  void keep_reserve();
  PoolSpace pool_space() const;

  StoreSettings const settings_;
  StoreParts parts_;
  Turns turns_;
  sys::Mutex mutex_;
  bool open_ GUARDED_BY(mutex_) = false;
  std::vector<Work> kept_back_ GUARDED_BY(mutex_);
};

}  // namespace snapclone::volume
