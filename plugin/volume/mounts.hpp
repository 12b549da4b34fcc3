// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "volume/catalogue.hpp"
#include "volume/mount_points.hpp"
#include "volume/spares.hpp"
#include "volume/trash.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace snapclone::volume {

// What a Mount did.
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
// The caller holds the turn that turn_of() names, and asks again once it has it.
class Mounts {
 public:
  // A tree may stay in use for a moment after its last container has ended, while the kernel takes
  // the container's mounts down: `settle` is how long to wait for that.
  Mounts(Pool const& pool, MountPoints const& points, backend::Backend& backend,
         Catalogue& catalogue, Trash& trash,
         std::chrono::milliseconds settle = std::chrono::seconds(3))
      : pool_(pool),
        points_(points),
        backend_(backend),
        catalogue_(catalogue),
        trash_(trash),
        settle_(settle),
        spares_(pool, trash) {}

  Mounted mount(std::string const& name, std::string const& mount_id);

  // An ID that is not mounted is success. `ended`, if given, is called as soon as a clone is gone
  // for good; the kernel takes its mount down after that. It is not called otherwise.
  using Ended = std::function<void()>;
  void unmount(std::string const& name, std::string const& mount_id, Ended const& ended = {});

  // Undoes a first mount() whose answer nobody got, unless it has been unmounted since: another one
  // by its ID is not touched. If making the clone took a copy that nobody can have written to, it
  // is kept for the snapshot's next Mount: it would take too long again otherwise.
  void take_back(std::string const& name, std::string const& mount_id, std::uint64_t serial);
  // The snapshot has been removed: drops what take_back() has kept.
  void forget(std::string const& name) { spares_.forget(name); }

  // Mounts and Unmounts of a snapshot run at once, in turn for each mount ID; those of a volume
  // in turn for the volume.
  std::string turn_of(std::string const& name, std::string const& mount_id) const;

  // The path where a volume is mounted, empty if it is not. A snapshot is never mounted itself.
  std::string mountpoint(Volume const& volume) const;

  // Whether a container may use the volume, and why, as the rest of a sentence that begins with its
  // name. A volume that is not `used` is not mounted.
  struct Usage {
    backend::Use use = backend::Use::free;
    std::string sentence;  // "is in use by 2 mounts"
    std::string remedy;    // "stop the containers that use it (…)"
    std::string users;     // what the remedy stops: "them" or "it"
  };
  Usage usage(Record const& record);

  // Throws Refusal unless nobody uses the volume. `purpose` ends the sentence: "… then <purpose>".
  void make_idle(Record const& record, std::string const& purpose);

  // Drops a clone that is not, or not any more, mounted by anyone who counts. `acknowledged`:
  // nobody has it, as far as the engine knows.
  void discard(CloneRecord const& clone, bool acknowledged, Ended const& ended = {});

  // Where a live clone's own tree is.
  fs::path tree_of(CloneRecord const& clone) const;

 private:
  bool mount_again(std::string const& name, std::string const& mount_id, Mounted& mounted);
  fs::path mount_clone(VolumePtr const& volume, std::string const& mount_id);
  fs::path mount_volume(Record const& record, std::string const& mount_id);
  void make_clone(Record const& record, CloneRecord& clone);
  void mount_tree(Record const& record, CloneRecord const& clone, fs::path const& target);
  void end(CloneRecord clone, Ended const& ended);
  void lose_sight_of_users(Record const& record);
  bool hold_volume(std::string const& name);
  void clear_counts(std::string const& name);
  backend::Use settled_use(fs::path const& tree) const;
  void save(CloneRecord const& clone);
  void save(std::string const& name, MountCounts const& counts);
  template <class... What>
  void save_or_log(What const&... what);

  Pool const& pool_;
  MountPoints const& points_;
  backend::Backend& backend_;
  Catalogue& catalogue_;
  Trash& trash_;
  std::chrono::milliseconds settle_;
  Spares spares_;
};

}  // namespace snapclone::volume
