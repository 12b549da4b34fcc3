// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clone/backend.hpp"
#include "volume/catalogue.hpp"
#include "volume/mount_points.hpp"
#include "volume/trash.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace snapclone::volume {

// What a Mount did.
struct Mounted {
  fs::path path;       // never empty
  bool first = false;  // it made the clone, or is the first by this ID
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

  Mounted mount(std::string const& name, std::string const& mount_id);

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
  bool mount_again(std::string const& name, std::string const& mount_id, Mounted& mounted);
  fs::path mount_clone(VolumePtr const& volume, std::string const& mount_id);
  fs::path mount_volume(Record const& record, std::string const& mount_id);
  void make_clone(Record const& record, CloneRecord& clone);
  void end(CloneRecord clone);
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

// "1 mount", "2 mounts".
std::string counted(std::size_t number, std::string const& what);

}  // namespace snapclone::volume
