// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "volume/catalogue.hpp"
#include "volume/in_use.hpp"
#include "volume/mount_points.hpp"
#include "volume/spares.hpp"
#include "volume/trash.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace snapclone::volume {

// The result of a Mount.
struct Mounted {
  fs::path path;  // never empty
  // Catalogue::serial() if it made the clone, or is the first by this ID; 0 otherwise.
  std::uint64_t serial = 0;
};

// Mount and Unmount. A snapshot gives each mount ID a clone of its own; a volume is one tree,
// mounted at the first Mount and counted for each ID. Mounting an ID again only counts and never
// fails: the engine nests Mount and Unmount of a running container's ID for `docker cp`, and
// versions up to 20.10 answer a failure with an Unmount.
//
// The functions block and throw Refusal or sys::Error; a Mount that throws leaves nothing behind.
// The caller holds the turn of the mount (store.hpp).
class Mounts {
 public:
  Mounts(Pool const& pool, MountPoints const& points, backend::Backend& backend,
         Catalogue& catalogue, InUse& in_use, Trash& trash)
      : pool_(pool),
        points_(points),
        backend_(backend),
        catalogue_(catalogue),
        in_use_(in_use),
        trash_(trash),
        spares_(pool, trash) {}

  Mounted mount(VolumeName const& name, MountId const& mount_id);

  // An ID that is not mounted is success. `ended`, if given, is called as soon as a clone is gone
  // for good; the kernel takes its mount down after that. It is not called otherwise.
  using Ended = std::function<void()>;
  void unmount(VolumeName const& name, MountId const& mount_id, Ended const& ended = {});

  // Undoes a first mount() whose answer nobody got. Does nothing if the ID has been unmounted
  // since, even if it is mounted anew. A copy that was made for the clone, and that nobody can have
  // written to, is kept for the snapshot's next Mount, which would take too long again otherwise.
  void take_back(VolumeName const& name, MountId const& mount_id, std::uint64_t serial);

  // The snapshot has been removed: drops the copy that take_back() kept.
  void forget(VolumeName const& name) { spares_.forget(name); }

  // Whether mount() may take long: it may copy a tree, or wait for a container to end.
  bool may_take_long(VolumeName const& name, MountId const& mount_id) const;

  // The path where a volume is mounted, empty if it is not. A snapshot is never mounted itself.
  std::string mountpoint(Volume const& volume) const;

  // Drops a clone that nobody is counted on. `acknowledged`: the engine knows of nobody who has it.
  void discard(CloneRecord const& clone, bool acknowledged, Ended const& ended = {});

 private:
  bool mount_again(VolumeName const& name, MountId const& mount_id, Mounted& mounted);
  fs::path mount_clone(VolumePtr const& volume, MountId const& mount_id);
  fs::path mount_volume(Record const& record, MountId const& mount_id);
  void make_clone(Record const& record, CloneRecord& clone);
  void mount_tree(Record const& record, CloneRecord const& clone, fs::path const& target);
  void end(CloneRecord clone, Ended const& ended);
  void save(CloneRecord const& clone) const;
  void count_or_log(CloneRecord const& clone);
  void count_or_log(VolumeName const& name, MountCounts const& counts);

  Pool const& pool_;
  MountPoints const& points_;
  backend::Backend& backend_;
  Catalogue& catalogue_;
  InUse& in_use_;
  Trash& trash_;
  Spares spares_;
};

}  // namespace snapclone::volume
