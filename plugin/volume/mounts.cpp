// SPDX-License-Identifier: Apache-2.0
#include "volume/mounts.hpp"

#include "backend/memory.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "sys/text.hpp"
#include "volume/refusal.hpp"
#include "volume/target.hpp"

namespace snapclone::volume {
namespace {

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

std::string Mounts::mountpoint(Volume const& volume) const {
  if (volume.record.kind == Kind::snapshot || !volume.unreadable.empty()) return "";
  if (catalogue_.number_of_counts(volume.record.name) == 0) return "";
  if (!points_.has_volume(volume.record.name.text())) return "";
  return points_.volume(volume.record.name.text()).string();
}

bool Mounts::may_take_long(VolumeName const& name, MountId const& mount_id) const {
  if (catalogue_.find_clone(name, mount_id) || catalogue_.counts(name).count(mount_id) != 0) {
    return false;
  }
  VolumePtr volume = catalogue_.find(name);
  if (!volume) return false;
  Record const& record = volume->record;
  return record.kind == Kind::volume || (backend_.copies() && record.memory == 0);
}

Mounted Mounts::mount(VolumeName const& name, MountId const& mount_id) {
  Mounted mounted;
  if (mount_again(name, mount_id, mounted)) return mounted;
  VolumePtr volume = catalogue_.find(name);
  if (!volume) throw Refusal("there is no volume \"" + name.text() + "\"");
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  check_target(described(volume->record), volume->record.target);
  bool snapshot = volume->record.kind == Kind::snapshot;
  if (snapshot && mount_id.text() == kPodmanId) {
    throw Refusal(described(volume->record) +
                  " cannot be mounted by podman, which gives all its mounts one ID: all its "
                  "containers would share one clone. Use Docker, or make a volume for each "
                  "container with -o clone-of=" +
                  name.text());
  }
  mounted.path = snapshot ? mount_clone(volume, mount_id) : mount_volume(volume->record, mount_id);
  mounted.serial = catalogue_.serial(name, mount_id);
  return mounted;
}

// Best effort: losing a count in a crash is better than failing a nested Mount.
void Mounts::count_or_log(CloneRecord const& clone) {
  catalogue_.set_clone_count(clone);
  try {
    save(clone);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("a mount is counted in memory only: ") + error.what());
  }
}

void Mounts::count_or_log(VolumeName const& name, MountCounts const& counts) {
  catalogue_.set_counts(name, counts);
  try {
    in_use_.save_counts(name, counts);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("a mount is counted in memory only: ") + error.what());
  }
}

// Comes before all checks: an ID that has the volume mounted can mount it again, whatever is wrong
// with it by now.
bool Mounts::mount_again(VolumeName const& name, MountId const& mount_id, Mounted& mounted) {
  if (auto clone = catalogue_.find_clone(name, mount_id)) {
    mounted.path = points_.clone(clone->id);
    if (!sys::is_mounted(mounted.path)) {  // someone else unmounted it
      discard(*clone, clone->count == 0);
      return false;
    }
    ++clone->count;
    clone->mounted_again = true;
    count_or_log(*clone);
    return true;
  }
  mounted.path = points_.volume(name.text());
  MountCounts counts = catalogue_.counts(name);
  if (counts.count(mount_id) == 0 || !sys::is_mounted(mounted.path)) return false;
  ++counts[mount_id];
  count_or_log(name, counts);
  return true;
}

fs::path Mounts::mount_clone(VolumePtr const& volume, MountId const& mount_id) {
  CloneRecord clone{.volume = volume->record.name, .mount_id = mount_id};
  // The mount ID is there to be seen where no mount has a name of its own (docs/consistency.md).
  clone.id = mount_id.short_text() + "-" + sys::random_id();
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
  std::string source = record.name.text() + "@" + clone.mount_id.short_text();
  fs::path tree = tree_of(pool_, points_, clone);
  if (clone.in_memory) {
    return backend::mount_memory_tree(pool_, tree, clone.stack, source, target);
  }
  auto access = record.read_only ? backend::Access::read_only : backend::Access::throwaway;
  backend_.mount(tree, clone.stack, access, source, target);
}

fs::path Mounts::mount_volume(Record const& record, MountId const& mount_id) {
  Catalogue::Pin pin(catalogue_, layers_of(record));  // until the counts say it
  fs::path target = points_.volume(record.name.text());
  MountCounts counts = catalogue_.counts(record.name);
  bool mounted = !counts.empty() && sys::is_mounted(target);
  if (!mounted) {
    // Even with a count of zero: a mapped file, or an Unmount that the engine sent for a container
    // it had lost sight of, can outlive the count, and two overlays must not share an upper.
    if (backend_.can_probe()) {
      in_use_.require_idle(record, "start this one again");
    } else {
      clear_mount_point(target);
      in_use_.give_up_counts(record);
    }
    counts.clear();
    sys::ensure_dir(target);
  }
  try {
    if (!mounted) {
      backend_.mount(pool_.layer(record.upper), record.stack, backend::Access::persistent,
                     record.name.text(), target);
    }
    ++counts[mount_id];
    in_use_.save_counts(record.name, counts);
  } catch (...) {
    if (!mounted) clear_mount_point(target);
    throw;
  }
  catalogue_.set_counts(record.name, counts);
  return target;
}

void Mounts::unmount(VolumeName const& name, MountId const& mount_id, Ended const& ended) {
  if (auto clone = catalogue_.find_clone(name, mount_id)) {
    if (clone->count <= 1) return end(*clone, ended);
    --clone->count;
    return count_or_log(*clone);
  }
  MountCounts counts = catalogue_.counts(name);
  auto count = counts.find(mount_id);
  if (count == counts.end()) return;
  bool doubted = count->second == 1 && catalogue_.doubted(name, mount_id);
  if (doubted && !in_use_.hold_until_boot(name)) return;
  if (--count->second == 0) counts.erase(count);
  count_or_log(name, counts);
  if (!counts.empty()) return;
  try {
    clear_mount_point(points_.volume(name.text()));
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());  // the next Mount, or the next start, tries again
  }
}

void Mounts::take_back(VolumeName const& name, MountId const& mount_id, std::uint64_t serial) {
  if (catalogue_.serial(name, mount_id) != serial) return;
  auto clone = catalogue_.find_clone(name, mount_id);
  bool untouched_copy = clone && backend_.copies() && !clone->mounted_again && !clone->in_memory;
  if (!untouched_copy || !spares_.keep(*clone)) return unmount(name, mount_id);
  catalogue_.end_clone(*clone);
  try_to_clear(points_, clone->id);  // the next start tries again
}

// The last Unmount. It does not fail: an error would make the engine use the ID again and find the
// old clone. A clone that cannot be dropped now is dropped as soon as that works; one that may be
// in use and cannot be held stays as it is until the next start.
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
  count_or_log(clone);
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

// Only the count of an existing record changes, and it is nearly always a single digit.
void Mounts::save(CloneRecord const& clone) const {
  std::string text = encode(clone);
  fs::path path = pool_.clone_record(clone.id);
  if (clone.count < 10 && sys::overwrite_file(path, text)) return;
  sys::write_file(path, text, sys::Durability::process);
}

}  // namespace snapclone::volume
