// SPDX-License-Identifier: Apache-2.0
#include "volume/mounts.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"

#include <thread>

namespace snapclone::volume {
namespace {

constexpr std::size_t kShortId = 12;
constexpr std::chrono::milliseconds kLookAgain{20};

// podman gives every mount of every volume this one ID (libpod/volume_internal_common.go).
constexpr char kPodmanId[] = "2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2";

}  // namespace

std::string counted(std::size_t number, std::string const& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

std::string Mounts::turn_of(std::string const& name, std::string const& mount_id) const {
  VolumePtr volume = catalogue_.find(name);
  bool snapshot = volume && volume->record.kind == Kind::snapshot;
  return snapshot ? name + "@" + mount_id : name;  // no name contains "@"
}

std::string Mounts::mountpoint(Volume const& volume) const {
  if (volume.record.kind == Kind::snapshot || !volume.unreadable.empty()) return "";
  fs::path target = points_.volume(volume.record.name);
  return catalogue_.counts(volume.record.name).empty() || !sys::is_mounted(target)
             ? ""
             : target.string();
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
  if (volume->record.kind == Kind::volume) return {mount_volume(volume->record, mount_id), true};
  if (mount_id == kPodmanId) {
    sys::log_warning("podman uses one mount ID for everything: all its containers share one clone");
  }
  return {mount_clone(volume, mount_id), true};
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
      discard(clone);
      return false;
    }
    ++clone.count;
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
  clone.id = sys::random_id();
  clone.volume = volume->record.name;
  clone.mount_id = mount_id;
  clone.since = sys::now_rfc3339();
  clone.stack = volume->record.stack;
  catalogue_.start_clone(clone, volume);
  try {
    make_clone(volume->record, clone);
  } catch (...) {
    try {
      discard(clone);
    } catch (sys::Error const& error) {
      sys::log_warning(error.what());
    }
    throw;
  }
  return points_.clone(clone.id);
}

// The record is there before the mount, and says that someone counts on it only after it: a crash
// in between leaves a clone that recovery undoes.
void Mounts::make_clone(Record const& record, CloneRecord& clone) {
  fs::path tree = pool_.clone(clone.id);
  fs::path target = points_.clone(clone.id);
  sys::make_dir(tree);
  save(clone);
  backend_.make_tree(tree, clone.stack);
  sys::ensure_dir(target);
  backend_.mount(tree, clone.stack,
                 record.read_only ? clone::Access::read_only : clone::Access::throwaway,
                 record.name + "@" + clone.mount_id.substr(0, kShortId), target);
  clone.count = 1;
  save(clone);
  catalogue_.set_clone_count(clone);
}

fs::path Mounts::mount_volume(Record const& record, std::string const& mount_id) {
  fs::path target = points_.volume(record.name);
  MountCounts counts = catalogue_.counts(record.name);
  if (counts.empty() || !sys::is_mounted(target)) {
    // Also with a count of zero: a mapped file, or an Unmount that the engine sent for a container
    // it had lost sight of, can outlive the count, and two overlays must not share an upper.
    make_idle(record, "start this one again");
    counts.clear();
    sys::ensure_dir(target);
  }
  bool mounted = !counts.empty();
  try {
    if (!mounted) {
      backend_.mount(pool_.layer(record.upper), record.stack, clone::Access::persistent,
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

void Mounts::unmount(std::string const& name, std::string const& mount_id) {
  check_name(name);
  check_mount_id(mount_id);
  CloneRecord clone;
  if (catalogue_.find_clone(name, mount_id, clone)) {
    if (clone.count > 1) {
      --clone.count;
      catalogue_.set_clone_count(clone);
      save_or_log(clone);
    } else {
      end(clone);
    }
    return;
  }
  MountCounts counts = catalogue_.counts(name);
  auto count = counts.find(mount_id);
  if (count == counts.end()) return;
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

// The last Unmount. If the clone cannot be dropped now, that is done before its ID is mounted
// again, or at the next start; an error would make the engine use the ID again and find the old
// clone.
void Mounts::end(CloneRecord clone) {
  try {
    discard(clone);
    return;
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("a clone cannot be dropped yet: ") + error.what());
  }
  clone.count = 0;
  catalogue_.set_clone_count(clone);
  save_or_log(clone);
  try {
    clear_mount_point(points_.clone(clone.id));
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
  }
}

// Moving it away is the commit point: from then on no restart takes the clone for a live one. That
// does not disturb the mount, and it is not deleted while anyone uses it.
void Mounts::discard(CloneRecord const& clone) {
  fs::path tree = pool_.clone(clone.id);
  fs::path trashed = pool_.trash() / ("clone-" + clone.id);
  bool made = sys::exists(tree);
  if (made) sys::rename_new(tree, trashed);
  try {
    clear_mount_point(points_.clone(clone.id));
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());  // the trash tries again
  }
  if (made) trash_.queue(trashed);
  catalogue_.end_clone(clone);
}

void Mounts::make_idle(Record const& record, std::string const& purpose) {
  fs::path target = points_.volume(record.name);
  MountCounts counts = catalogue_.counts(record.name);
  std::string who = described(record);
  if (!counts.empty() && sys::is_mounted(target)) {
    throw Refusal(who + " is in use by " + counted(counts.size(), "mount") +
                  ": stop the containers that use it, then " + purpose);
  }
  clear_mount_point(target);
  if (stays_in_use(pool_.layer(record.upper))) {
    throw Refusal(who +
                  " is still in use by a container that the plugin knows nothing of, most likely "
                  "one started before the plugin was restarted: stop that container, then " +
                  purpose);
  }
  save(record.name, {});
  catalogue_.set_counts(record.name, {});
}

bool Mounts::stays_in_use(fs::path const& tree) const {
  auto end = std::chrono::steady_clock::now() + settle_;
  while (backend_.in_use(tree)) {
    if (std::chrono::steady_clock::now() >= end) return true;
    std::this_thread::sleep_for(kLookAgain);
  }
  return false;
}

void Mounts::save(CloneRecord const& clone) {
  sys::write_file(pool_.clone(clone.id) / "clone.json", encode(clone), sys::Durability::process);
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
