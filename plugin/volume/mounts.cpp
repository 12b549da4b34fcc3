// SPDX-License-Identifier: Apache-2.0
#include "volume/mounts.hpp"

#include "backend/memory.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "sys/text.hpp"

#include <thread>

namespace snapclone::volume {
namespace {

constexpr std::size_t kShortId = 12;
constexpr std::chrono::milliseconds kLookAgain{20};

// podman gives every mount of every volume this one ID (libpod/volume_internal_common.go).
constexpr char kPodmanId[] = "2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2";

void try_to_clear(MountPoints const& points, std::string const& clone_id) {
  try {
    clear_clone(points, clone_id);
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
  }
}

}  // namespace

std::string Mounts::turn_of(std::string const& name, std::string const& mount_id) const {
  VolumePtr volume = catalogue_.find(name);
  bool snapshot = volume && volume->record.kind == Kind::snapshot;
  return snapshot ? name + "@" + mount_id : name;  // no name contains "@"
}

std::string Mounts::mountpoint(Volume const& volume) const {
  if (volume.record.kind == Kind::snapshot || !volume.unreadable.empty()) return "";
  if (catalogue_.number_of_counts(volume.record.name) == 0) return "";
  if (!points_.has_volume(volume.record.name)) return "";
  return points_.volume(volume.record.name).string();
}

Mounted Mounts::mount(std::string const& name, std::string const& mount_id) {
  check_name(name);
  check_mount_id(mount_id);
  Mounted mounted;
  if (mount_again(name, mount_id, mounted)) return mounted;
  VolumePtr volume = catalogue_.find(name);
  if (!volume) throw Refusal("there is no volume \"" + name + "\"");
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  check_target(described(volume->record), volume->record.target);
  bool snapshot = volume->record.kind == Kind::snapshot;
  if (snapshot && mount_id == kPodmanId) {
    sys::log_warning("podman uses one mount ID for everything: all its containers share one clone");
  }
  mounted.path = snapshot ? mount_clone(volume, mount_id) : mount_volume(volume->record, mount_id);
  mounted.serial = catalogue_.serial(name, mount_id);
  return mounted;
}

// For what must not fail: the engine would take it amiss more than a count that a crash forgets.
template <class... What>
void Mounts::save_or_log(What const&... what) {
  try {
    save(what...);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("a mount is counted in memory only: ") + error.what());
  }
}

// Whatever else is wrong with the volume, who has it mounted can mount it again.
bool Mounts::mount_again(std::string const& name, std::string const& mount_id, Mounted& mounted) {
  CloneRecord clone;
  if (catalogue_.find_clone(name, mount_id, clone)) {
    mounted.path = points_.clone(clone.id);
    if (!sys::is_mounted(mounted.path)) {  // someone else unmounted it
      discard(clone, clone.count == 0);
      return false;
    }
    ++clone.count;
    clone.mounted_again = true;
    catalogue_.set_clone_count(clone);
    save_or_log(clone);
    return true;
  }
  mounted.path = points_.volume(name);
  MountCounts counts = catalogue_.counts(name);
  if (counts.count(mount_id) == 0 || !sys::is_mounted(mounted.path)) return false;
  ++counts[mount_id];
  catalogue_.set_counts(name, counts);
  save_or_log(name, counts);
  return true;
}

fs::path Mounts::mount_clone(VolumePtr const& volume, std::string const& mount_id) {
  CloneRecord clone;
  // The mount ID is there to be seen where no mount has a name of its own (docs/consistency.md).
  clone.id = mount_id.substr(0, kShortId) + "-" + sys::random_id();
  clone.volume = volume->record.name;
  clone.mount_id = mount_id;
  clone.since = sys::now_rfc3339();
  clone.stack = volume->record.stack;
  clone.in_memory = volume->record.memory != 0;
  catalogue_.start_clone(clone, volume);
  try {
    make_clone(volume->record, clone);
  } catch (...) {
    end(clone, {});
    throw;
  }
  return points_.clone(clone.id);
}

// The record is there before the mount, and says that someone counts on it only after it: a crash
// in between leaves a clone that recovery undoes.
void Mounts::make_clone(Record const& record, CloneRecord& clone) {
  fs::path target = points_.clone(clone.id);
  bool made = spares_.use(clone);
  if (!made) sys::make_dir(pool_.clone(clone.id));
  sys::write_file(pool_.clone_record(clone.id), encode(clone), sys::Durability::process);
  if (clone.in_memory) {
    sys::ensure_dir(points_.memory(clone.id));
    backend::make_memory_tree(pool_, points_.memory(clone.id), clone.stack, record.memory);
  } else if (!made) {
    backend_.make_tree(pool_.clone(clone.id), clone.stack);
  }
  sys::ensure_dir(target);
  mount_tree(record, clone, target);
  clone.count = 1;
  save(clone);
  catalogue_.set_clone_count(clone);
}

void Mounts::mount_tree(Record const& record, CloneRecord const& clone, fs::path const& target) {
  std::string source = record.name + "@" + clone.mount_id.substr(0, kShortId);
  fs::path tree = tree_of(clone);
  if (clone.in_memory) {
    return backend::mount_memory_tree(pool_, tree, clone.stack, source, target);
  }
  auto access = record.read_only ? backend::Access::read_only : backend::Access::throwaway;
  backend_.mount(tree, clone.stack, access, source, target);
}

fs::path Mounts::tree_of(CloneRecord const& clone) const {
  return clone.in_memory ? points_.memory(clone.id) : pool_.clone(clone.id);
}

fs::path Mounts::mount_volume(Record const& record, std::string const& mount_id) {
  fs::path target = points_.volume(record.name);
  MountCounts counts = catalogue_.counts(record.name);
  bool mounted = !counts.empty() && sys::is_mounted(target);
  if (!mounted) {
    // Also with a count of zero: a mapped file, or an Unmount that the engine sent for a container
    // it had lost sight of, can outlive the count, and two overlays must not share an upper.
    if (backend_.can_probe()) {
      make_idle(record, "start this one again");
    } else {
      clear_mount_point(target);
      lose_sight_of_users(record);
    }
    counts.clear();
    sys::ensure_dir(target);
  }
  try {
    if (!mounted) {
      backend_.mount(pool_.layer(record.upper), record.stack, backend::Access::persistent,
                     record.name, target);
    }
    ++counts[mount_id];
    save(record.name, counts);
  } catch (...) {
    if (!mounted) clear_mount_point(target);
    throw;
  }
  catalogue_.set_counts(record.name, counts);
  return target;
}

void Mounts::unmount(std::string const& name, std::string const& mount_id, Ended const& ended) {
  check_name(name);
  check_mount_id(mount_id);
  CloneRecord clone;
  if (catalogue_.find_clone(name, mount_id, clone)) {
    if (clone.count > 1) {
      --clone.count;
      catalogue_.set_clone_count(clone);
      save_or_log(clone);
    } else {
      end(clone, ended);
    }
    return;
  }
  MountCounts counts = catalogue_.counts(name);
  auto count = counts.find(mount_id);
  if (count == counts.end()) return;
  if (count->second == 1 && catalogue_.doubted(name, mount_id) && !hold_volume(name)) return;
  if (--count->second == 0) counts.erase(count);
  catalogue_.set_counts(name, counts);
  save_or_log(name, counts);
  if (!counts.empty()) return;
  try {
    clear_mount_point(points_.volume(name));
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());  // the next Mount, or the next start, tries again
  }
}

void Mounts::take_back(std::string const& name, std::string const& mount_id, std::uint64_t serial) {
  if (catalogue_.serial(name, mount_id) != serial) return;
  CloneRecord clone;
  bool copied = backend_.copies();
  bool found = catalogue_.find_clone(name, mount_id, clone);
  if (!found || !copied || clone.mounted_again || clone.in_memory || !spares_.keep(clone)) {
    return unmount(name, mount_id);
  }
  catalogue_.end_clone(clone);
  try_to_clear(points_, clone.id);  // the next start tries again
}

// The last Unmount. It does not fail: an error would make the engine use the ID again and find the
// old clone. What cannot be dropped now is dropped as soon as that works, and what may be in use
// and cannot be held stays as it is until the next start.
void Mounts::end(CloneRecord clone, Ended const& ended) {
  bool proven = !catalogue_.doubted(clone.volume, clone.mount_id);
  try {
    discard(clone, proven, ended);
    return;
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("a clone cannot be dropped yet: ") + error.what());
  }
  if (!proven) return;
  clone.count = 0;
  save_or_log(clone);
  try_to_clear(points_, clone.id);  // the trash tries again
  trash_.drop(clone);
  catalogue_.end_clone(clone);
}

// Moving it away is the commit point: from then on no restart takes the clone for a live one. That
// does not disturb the mount, and it is not deleted while anyone uses it.
void Mounts::discard(CloneRecord const& clone, bool acknowledged, Ended const& ended) {
  fs::path tree = pool_.clone(clone.id);
  fs::path trashed = pool_.trash() / ("clone-" + clone.id);
  bool made = sys::exists(tree);
  bool provable = backend_.can_probe() && !clone.in_memory;
  if (made && !acknowledged && !provable) backend_.hold_until_boot(tree);
  if (made) sys::rename_new(tree, trashed);
  Catalogue::Pin pin(catalogue_, clone.stack);  // the mount still uses it
  catalogue_.end_clone(clone);
  if (ended) ended();
  try_to_clear(points_, clone.id);  // the trash tries again
  if (made) trash_.queue(trashed, clone, std::move(pin));
}

Mounts::Usage Mounts::usage(Record const& record) {
  fs::path target = points_.volume(record.name);
  MountCounts counts = catalogue_.counts(record.name);
  std::string list = "docker ps --filter volume=" + record.name + " shows";
  if (!counts.empty() && sys::is_mounted(target)) {
    return {backend::Use::used, "is in use by " + sys::counted(counts.size(), "mount"),
            "stop the containers that use it (" + list + " them)", "them"};
  }
  clear_mount_point(target);
  lose_sight_of_users(record);
  backend::Use use = settled_use(pool_.layer(record.upper));
  if (use == backend::Use::free) {
    clear_counts(record.name);
    return {};
  }
  return {use,
          std::string(use == backend::Use::used ? "is still" : "may still be") +
              " in use by a container that the plugin knows nothing of, most likely one started "
              "before the plugin was restarted",
          "stop that container (" + list + " it)", "it"};
}

void Mounts::make_idle(Record const& record, std::string const& purpose) {
  Usage found = usage(record);
  if (found.use != backend::Use::free) {
    throw Refusal(described(record) + " " + found.sentence + ": " + found.remedy + ", then " +
                  purpose);
  }
}

// Counts of a volume that is not mounted here: containers that have outlived our mounts may go on.
// Where that cannot be found out, it is held against the volume until the next boot.
void Mounts::lose_sight_of_users(Record const& record) {
  if (backend_.can_probe() || catalogue_.counts(record.name).empty()) return;
  backend_.hold_until_boot(pool_.layer(record.upper));
  clear_counts(record.name);
}

// For an Unmount that may be for a Mount that was lost. Where use cannot be found out the next boot
// alone is proof then. False if that cannot be written down.
bool Mounts::hold_volume(std::string const& name) {
  if (backend_.can_probe()) return true;
  try {
    VolumePtr volume = catalogue_.find(name);
    if (!volume || !volume->unreadable.empty()) return false;
    backend_.hold_until_boot(pool_.layer(volume->record.upper));
    return true;
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
    return false;
  }
}

void Mounts::clear_counts(std::string const& name) {
  save(name, {});
  catalogue_.set_counts(name, {});
}

backend::Use Mounts::settled_use(fs::path const& tree) const {
  auto end = std::chrono::steady_clock::now() + settle_;
  for (;;) {
    backend::Use use = backend_.use_of(tree);
    if (use != backend::Use::used || std::chrono::steady_clock::now() >= end) return use;
    std::this_thread::sleep_for(kLookAgain);
  }
}

// Of a record that is there only the count changes, which is a single digit nearly always.
void Mounts::save(CloneRecord const& clone) {
  std::string text = encode(clone);
  if (clone.count < 10 && sys::overwrite_file(pool_.clone_record(clone.id), text)) return;
  sys::write_file(pool_.clone_record(clone.id), text, sys::Durability::process);
}

void Mounts::save(std::string const& name, MountCounts const& counts) {
  fs::path path = pool_.mounts() / name;
  if (counts.empty()) {
    sys::remove_file(path);
  } else {
    sys::write_file(path, encode(counts), sys::Durability::process);
  }
}

}  // namespace snapclone::volume
