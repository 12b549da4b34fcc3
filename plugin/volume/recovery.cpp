// SPDX-License-Identifier: Apache-2.0
#include "volume/recovery.hpp"

#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "sys/text.hpp"

#include <set>

namespace snapclone::volume {
namespace {

// Stands for mounts that a damaged count file may have named: the volume has to be proven free.
MountId const kUnknownMount("unknown");

// A crash while a record was being replaced leaves the new one beside it.
void drop_unfinished(fs::path const& record, Trash& trash) {
  fs::path temporary = sys::temporary_of(record);
  if (sys::exists(temporary)) trash.put(temporary, TrashKind::other);
}

// No clone of this boot can be in trash/ before the others' directories have gone there, so what is
// found with them is theirs. Its record, which was never synced, may not have survived.
void drop_other_boots(Pool const& pool, Trash& trash) {
  for (auto const& current : {pool.clones(), pool.mounts()}) {
    fs::path parent = current.parent_path();
    for (auto const& boot : sys::list_dir(parent)) {
      if (boot == pool.boot()) continue;
      trash.take_clones_for_another_boots();
      trash.put(parent / boot, TrashKind::boot);
    }
  }
}

// Returns the ids of the clones that stay mounted.
std::set<std::string> recover_clones(Pool const& pool, MountPoints const& points,
                                     Catalogue& catalogue, Mounts& mounts, Trash& trash) {
  std::set<std::string> kept;
  for (auto const& id : sys::list_dir(pool.clones())) {
    fs::path record = pool.clone_record(id);
    if (!sys::exists(record)) {  // it had not got as far as a mount
      trash.drop(pool.clone(id), TrashKind::other);
      continue;
    }
    std::optional<CloneRecord> clone;
    try {
      clone = decode_clone(sys::read_file(record));
    } catch (std::exception const& error) {
      catalogue.never_sweep();
      kept.insert(id);
      sys::log_error("the clone " + id + " is left as it is: its record " + record.string() +
                     " cannot be used: " + error.what());
      continue;
    }
    clone->id = id;
    if (clone->count > 0 && sys::is_mounted(points.clone(id))) {
      drop_unfinished(record, trash);
      catalogue.adopt_clone(*clone);
      kept.insert(id);
    } else {
      try {
        mounts.discard(*clone, clone->count == 0);
      } catch (sys::Error const& error) {
        catalogue.never_sweep();
        kept.insert(id);
        sys::log_error("the clone " + id + " is left as it is: " + error.what());
      }
    }
  }
  return kept;
}

void recover_counts(Pool const& pool, Catalogue& catalogue, Trash& trash) {
  for (auto const& name : sys::list_dir(pool.mounts())) {
    fs::path path = pool.mounts() / name;
    if (!VolumeName::allows(name) || !catalogue.find(VolumeName(name))) {
      // a removed volume's, or a temporary file
      trash.put(path, TrashKind::other);
      continue;
    }
    try {
      catalogue.adopt_counts(VolumeName(name), decode_counts(sys::read_file(path)));
    } catch (std::exception const& error) {
      catalogue.set_counts(VolumeName(name), {{kUnknownMount, 1}});
      sys::log_warning("the mount counts of volume \"" + name +
                       "\" cannot be used: " + error.what());
    }
  }
}

// A crash just after sealing leaves it.
void drop_work_of_sealed_layers(Pool const& pool, Catalogue const& catalogue, Trash& trash) {
  std::set<std::string> sealed;
  for (auto const& volume : catalogue.all()) {
    sealed.insert(volume->record.stack.begin(), volume->record.stack.end());
  }
  for (auto const& layer : sealed) {
    trash.drop_leftover_work(pool.layer(layer));
  }
}

void clear_mount_points(MountPoints const& points, Catalogue const& catalogue,
                        std::set<std::string> const& kept_clones) {
  for (auto const& id : sys::list_dir(points.clones())) {
    if (kept_clones.count(id) == 0) clear_clone(points, id);
  }
  for (auto const& id : sys::list_dir(points.memory())) {
    if (kept_clones.count(id) == 0) clear_clone(points, id);
  }
  for (auto const& name : sys::list_dir(points.volumes())) {
    bool counted = VolumeName::allows(name) && !catalogue.counts(VolumeName(name)).empty();
    if (!counted) clear_mount_point(points.volume(name));
  }
}

}  // namespace

void recover(Pool const& pool, MountPoints const& points, Catalogue& catalogue, Mounts& mounts,
             Trash& trash) {
  drop_other_boots(pool, trash);
  for (auto const& name : sys::list_dir(pool.staging())) {
    trash.drop(pool.staging() / name, TrashKind::other);
  }
  catalogue.load();
  for (auto const& volume : catalogue.all()) {
    if (!volume->unreadable.empty()) continue;  // what is damaged is left as it is
    drop_unfinished(pool.record(volume->record.name.text()), trash);
  }
  auto kept = recover_clones(pool, points, catalogue, mounts, trash);
  recover_counts(pool, catalogue, trash);
  drop_work_of_sealed_layers(pool, catalogue, trash);
  clear_mount_points(points, catalogue, kept);
  sys::log_info("found " + std::to_string(catalogue.all().size()) + " volumes and snapshots" +
                ", " + sys::counted(kept.size(), "live clone"));
}

}  // namespace snapclone::volume
