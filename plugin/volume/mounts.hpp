// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clone/backend.hpp"
#include "volume/catalogue.hpp"
#include "volume/trash.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace snapclone::volume {

// Mount points: on a tmpfs of their own, because the kernel's work for a mount grows with the
// number of mounts that are children of the one its layers lie on.
class MountPoints {
 public:
  // Makes the directory and mounts the tmpfs, unless a process before us did.
  explicit MountPoints(fs::path root);

  fs::path const& root() const { return root_; }
  fs::path clones() const { return root_ / "clones"; }
  fs::path clone(std::string const& id) const { return clones() / id; }
  fs::path volumes() const { return root_ / "volumes"; }
  fs::path volume(std::string const& name) const { return volumes() / name; }
  fs::path scratch() const { return root_ / "scratch"; }

 private:
  fs::path root_;
};

// Mount and Unmount. A snapshot gives each mount ID a clone of its own; a volume is one tree,
// mounted at the first Mount and counted for each ID. Mounting an ID again only counts and never
// fails: the engine nests Mount and Unmount of a running container's ID for `docker cp`, and
// versions up to 20.10 answer a failure with an Unmount.
//
// The functions block and throw Refusal or sys::Error; a Mount that throws leaves nothing behind.
// The caller holds the turn that turn_of() names, and asks again once it has it.
class Mounts {
 public:
  // A tree may stay in use for a moment after its last container has ended, while the kernel takes
  // the container's mounts down: `settle` is how long to wait for that.
  Mounts(Pool const& pool, MountPoints const& points, clone::Backend& backend, Catalogue& catalogue,
         Trash& trash, std::chrono::milliseconds settle = std::chrono::seconds(3))
      : pool_(pool),
        points_(points),
        backend_(backend),
        catalogue_(catalogue),
        trash_(trash),
        settle_(settle) {}

  // Returns where the volume or clone is mounted: never empty.
  fs::path mount(std::string const& name, std::string const& mount_id);

  // An ID that is not mounted is success.
  void unmount(std::string const& name, std::string const& mount_id);

  // Mounts and Unmounts of a snapshot run at once, in turn for each mount ID; those of a volume
  // in turn for the volume.
  std::string turn_of(std::string const& name, std::string const& mount_id) const;

  // The path where a volume is mounted, empty if it is not. A snapshot is never mounted itself.
  std::string mountpoint(Volume const& volume) const;

  // Throws Refusal unless it is proven that nobody uses the volume, which is then not mounted.
  // `purpose` ends the sentence: "stop the containers that use it, then <purpose>".
  void make_idle(Record const& record, std::string const& purpose);

  // Drops a clone that is not, or not any more, mounted by anyone who counts.
  void discard(CloneRecord const& clone);

 private:
  fs::path mount_clone(Record const& record, std::string const& mount_id);
  fs::path mount_volume(Record const& record, std::string const& mount_id);
  void make_clone(Record const& record, CloneRecord& clone);
  bool stays_in_use(fs::path const& tree) const;
  void save(CloneRecord const& clone);
  void save(std::string const& name, MountCounts const& counts);
  template <class... What>
  void save_or_log(What const&... what);

  Pool const& pool_;
  MountPoints const& points_;
  clone::Backend& backend_;
  Catalogue& catalogue_;
  Trash& trash_;
  std::chrono::milliseconds settle_;
};

// Unmounts whatever is mounted there, and removes the directory.
void clear_mount_point(fs::path const& target);

// "1 mount", "2 mounts".
std::string counted(std::size_t number, std::string const& what);

}  // namespace snapclone::volume
