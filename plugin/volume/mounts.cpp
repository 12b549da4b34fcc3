// SPDX-License-Identifier: Apache-2.0
#include "volume/mounts.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"

#include <thread>

#include <unistd.h>

namespace snapclone::volume {
namespace {

constexpr std::size_t kShortId = 12;
constexpr std::chrono::milliseconds kLookAgain{20};

// podman gives every mount of every volume this one ID (libpod/volume_internal_common.go).
constexpr char kPodmanId[] = "2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2";

}  // namespace

void clear_mount_point(fs::path const& target) {
  while (sys::is_mounted(target)) sys::unmount(target);
  if (rmdir(target.c_str()) != 0 && errno != ENOENT) {
    sys::log_warning(sys::Error("remove mount point", target.string(), errno).what());
  }
}

std::string counted(std::size_t number, std::string const& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

MountPoints::MountPoints(fs::path root) : root_(std::move(root)) {
  sys::ensure_dir(root_);
  if (!sys::is_mounted(root_)) sys::mount_tmpfs(root_, "mode=0711,size=1m");
  for (auto const* name : {"clones", "volumes", "scratch"}) sys::ensure_dir(root_ / name, 0711);
  while (sys::is_mounted(scratch())) sys::unmount(scratch());  // the trial of a process that died
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

fs::path Mounts::mount(std::string const& name, std::string const& mount_id) {
  check_name(name);
  check_mount_id(mount_id);
  VolumePtr volume = catalogue_.find(name);
  if (!volume) throw Refusal("there is no volume \"" + name + "\"");
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  if (volume->record.kind == Kind::volume) return mount_volume(volume->record, mount_id);
  if (mount_id == kPodmanId) {
    sys::log_warning("podman uses one mount ID for everything: all its containers share one clone");
  }
  return mount_clone(volume->record, mount_id);
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

fs::path Mounts::mount_clone(Record const& record, std::string const& mount_id) {
  CloneRecord clone;
  if (catalogue_.find_clone(record.name, mount_id, clone)) {
    fs::path target = points_.clone(clone.id);
    if (sys::is_mounted(target)) {
      ++clone.count;
      catalogue_.set_clone_count(clone);
      save_or_log(clone);
      return target;
    }
    discard(clone);  // someone else unmounted it
  }

  check_target(described(record), record.target);
  clone = {};
  clone.id = sys::random_id();
  clone.volume = record.name;
  clone.mount_id = mount_id;
  clone.since = sys::now_rfc3339();
  catalogue_.start_clone(clone);
  try {
    make_clone(record, clone);
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
  if (!counts.empty() && sys::is_mounted(target)) {
    bool nested = counts.count(mount_id) != 0;
    if (!nested) check_target(described(record), record.target);
    ++counts[mount_id];
    if (nested) {
      catalogue_.set_counts(record.name, counts);
      save_or_log(record.name, counts);
    } else {
      save(record.name, counts);
      catalogue_.set_counts(record.name, counts);
    }
    return target;
  }

  check_target(described(record), record.target);
  // A count of zero on disk proves that the volume is free; a count from before a restart proves
  // nothing.
  if (!counts.empty()) make_idle(record, "start this one again");
  clear_mount_point(target);
  sys::ensure_dir(target);
  try {
    backend_.mount(pool_.layer(record.upper), record.stack, clone::Access::persistent, record.name,
                   target);
    save(record.name, {{mount_id, 1}});
    catalogue_.set_counts(record.name, {{mount_id, 1}});
  } catch (...) {
    clear_mount_point(target);
    throw;
  }
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
      discard(clone);
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
    sys::log_warning(error.what());
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
                  " is still in use by a container that was started before the plugin was "
                  "restarted: stop that container, then " +
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
