// SPDX-License-Identifier: Apache-2.0
#include "volume/catalogue.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"

namespace snapclone::volume {
namespace {

VolumePtr readable(Record const& record) {
  return std::make_shared<Volume const>(Volume{record, ""});
}

}  // namespace

void Catalogue::load() {
  auto names = sys::list_dir(pool_.volumes());
  // Kernels may leave out what is in a damaged block of a directory, and say nothing.
  if (names.size() < sys::least_subdirs(pool_.volumes())) {
    never_sweep();
    sys::log_error("the directory " + pool_.volumes().string() +
                   " shows fewer volumes than it has: "
                   "its file system is damaged. No layer will be deleted; disable the plugin, and "
                   "after fsck put back what is in lost+found");
  }
  for (auto const& name : names) {
    auto volume = std::make_shared<Volume>(read(name));
    std::lock_guard lock(mutex_);
    if (!volume->unreadable.empty()) may_sweep_ = false;
    volumes_[name] = {std::move(volume)};
  }
  refuse_named_uppers();
}

Volume Catalogue::read(std::string const& name) const {
  fs::path path = Pool::record_in(pool_.volume(name));
  Volume volume;
  try {
    check_name(name);
    volume.record = decode_record(sys::read_file(path));
    if (volume.record.name != name) throw std::runtime_error("it is the record of another name");
    for (auto const& layer : volume.record.stack) {
      if (!sys::exists(pool_.tree(layer))) throw std::runtime_error("layer " + layer + " is gone");
    }
    if (volume.record.kind == Kind::volume && !sys::exists(pool_.tree(volume.record.upper))) {
      throw std::runtime_error("layer " + volume.record.upper + " is gone");
    }
  } catch (std::exception const& error) {
    volume.record = {};
    volume.record.name = name;
    volume.unreadable = "the record " + path.string() + " cannot be used: " + error.what() +
                        "; nothing was changed, and the README says what to do";
    sys::log_error("volume \"" + sys::excerpt(name) + "\": " + volume.unreadable);
  }
  return volume;
}

// Our own writes never name an upper in a stack. If a pool does all the same, the volume must not
// be written: its snapshot would change.
void Catalogue::refuse_named_uppers() {
  std::lock_guard lock(mutex_);
  std::multiset<std::string> named;
  for (auto const& [name, entry] : volumes_) {
    named.insert(entry.volume->record.stack.begin(), entry.volume->record.stack.end());
    if (!entry.volume->record.upper.empty()) named.insert(entry.volume->record.upper);
  }
  for (auto& [name, entry] : volumes_) {
    std::string const& upper = entry.volume->record.upper;
    if (upper.empty()) continue;
    if (named.count(upper) == 1) continue;
    Volume refused = *entry.volume;
    refused.unreadable =
        "its layer " + upper +
        " belongs to another volume or snapshot as well; nothing was "
        "changed: use one that was made from it, or restore the pool from a backup";
    sys::log_error("volume \"" + name + "\": " + refused.unreadable);
    entry.volume = std::make_shared<Volume const>(std::move(refused));
    may_sweep_ = false;
  }
}

VolumePtr Catalogue::find(std::string const& name) const {
  std::lock_guard lock(mutex_);
  auto found = volumes_.find(name);
  return found == volumes_.end() ? nullptr : found->second.volume;
}

std::vector<VolumePtr> Catalogue::all() const {
  std::lock_guard lock(mutex_);
  std::vector<VolumePtr> volumes;
  volumes.reserve(volumes_.size());
  for (auto const& [name, entry] : volumes_) volumes.push_back(entry.volume);
  return volumes;
}

void Catalogue::add(Record const& record, fs::path const& staged) {
  auto volume = readable(record);
  sys::make_dir(staged);
  sys::write_file(Pool::record_in(staged), encode(record), sys::Durability::power);
  sys::sync_dir(staged);
  sys::rename_new(staged, pool_.volume(record.name));  // the commit point
  try {
    sys::sync_dir(pool_.volumes());
  } catch (sys::Error const& error) {
    sys::log_error(std::string("a new volume may not survive a power cut: ") + error.what());
  }
  std::lock_guard lock(mutex_);
  volumes_[record.name] = {std::move(volume)};
}

void Catalogue::replace(Record const& record) {
  auto volume = readable(record);
  fs::path directory = pool_.volume(record.name);
  sys::write_file(Pool::record_in(directory), encode(record), sys::Durability::power);
  {
    std::lock_guard lock(mutex_);
    volumes_[record.name].volume = std::move(volume);
  }
  sys::sync_dir(directory);
}

std::size_t Catalogue::begin_removal(std::string const& name) {
  std::lock_guard lock(mutex_);
  auto clones = clones_.find(name);
  if (clones != clones_.end()) return clones->second.by_id.size();
  volumes_.at(name).removing = true;
  return 0;
}

void Catalogue::cancel_removal(std::string const& name) {
  std::lock_guard lock(mutex_);
  volumes_.at(name).removing = false;
}

fs::path Catalogue::remove(std::string const& name) {
  fs::path trashed = pool_.trash() / ("volume-" + sys::random_id());
  sys::rename_new(pool_.volume(name), trashed);  // the commit point
  try {
    sys::sync_dir(pool_.volumes());
  } catch (sys::Error const& error) {
    sys::log_error(std::string("a removed volume may come back after a power cut: ") +
                   error.what());
  }
  std::lock_guard lock(mutex_);
  volumes_.erase(name);
  counts_.erase(name);
  return trashed;
}

void Catalogue::start_clone(CloneRecord const& clone, VolumePtr const& snapshot) {
  std::lock_guard lock(mutex_);
  auto found = volumes_.find(clone.volume);
  if (found == volumes_.end() || found->second.removing || found->second.volume != snapshot) {
    throw Refusal(described(snapshot->record) + " has just been removed");
  }
  serials_[{clone.volume, clone.mount_id}] = ++last_serial_;
  keep(clone);
}

void Catalogue::adopt_clone(CloneRecord const& clone) {
  std::lock_guard lock(mutex_);
  adopted_.emplace(clone.volume, clone.mount_id);
  keep(clone);
}

void Catalogue::keep(CloneRecord const& clone) {
  auto& [by_id, by_age] = clones_[clone.volume];
  auto [kept, is_new] = by_id.try_emplace(clone.mount_id);
  if (!is_new) by_age.erase(&kept->second);
  kept->second = clone;
  by_age.insert(&kept->second);
}

bool Catalogue::find_clone(std::string const& name, std::string const& mount_id,
                           CloneRecord& found) const {
  std::lock_guard lock(mutex_);
  auto clones = clones_.find(name);
  if (clones == clones_.end()) return false;
  auto clone = clones->second.by_id.find(mount_id);
  if (clone == clones->second.by_id.end()) return false;
  found = clone->second;
  return true;
}

void Catalogue::set_clone_count(CloneRecord const& clone) {
  std::lock_guard lock(mutex_);
  CloneRecord& kept = clones_.at(clone.volume).by_id.at(clone.mount_id);
  kept.count = clone.count;
  kept.mounted_again = clone.mounted_again;
}

void Catalogue::end_clone(CloneRecord const& clone) {
  std::lock_guard lock(mutex_);
  auto clones = clones_.find(clone.volume);
  if (clones == clones_.end()) return;
  auto& [by_id, by_age] = clones->second;
  auto found = by_id.find(clone.mount_id);
  if (found != by_id.end() && found->second.id == clone.id) {
    by_age.erase(&found->second);
    by_id.erase(found);
    serials_.erase({clone.volume, clone.mount_id});
    adopted_.erase({clone.volume, clone.mount_id});
  }
  if (by_id.empty()) clones_.erase(clones);
}

std::vector<CloneRecord> Catalogue::clones_of(std::string const& name,
                                              std::string const& beginning) const {
  std::lock_guard lock(mutex_);
  std::vector<CloneRecord> all;
  auto clones = clones_.find(name);
  if (clones == clones_.end()) return all;
  auto const& by_id = clones->second.by_id;
  for (auto clone = by_id.lower_bound(beginning);
       clone != by_id.end() && clone->first.rfind(beginning, 0) == 0; ++clone) {
    all.push_back(clone->second);
  }
  return all;
}

std::vector<CloneAge> Catalogue::newest_clones_of(std::string const& name, std::size_t most) const {
  std::lock_guard lock(mutex_);
  std::vector<CloneAge> newest;
  auto clones = clones_.find(name);
  if (clones == clones_.end()) return newest;
  for (auto const* clone : clones->second.by_age) {
    if (newest.size() == most) break;
    newest.push_back({clone->mount_id, clone->since});
  }
  return newest;
}

std::size_t Catalogue::number_of_clones(std::string const& name) const {
  std::lock_guard lock(mutex_);
  auto clones = clones_.find(name);
  return clones == clones_.end() ? 0 : clones->second.by_id.size();
}

MountCounts Catalogue::counts(std::string const& name) const {
  std::lock_guard lock(mutex_);
  auto found = counts_.find(name);
  return found == counts_.end() ? MountCounts{} : found->second;
}

std::size_t Catalogue::number_of_counts(std::string const& name) const {
  std::lock_guard lock(mutex_);
  auto found = counts_.find(name);
  return found == counts_.end() ? 0 : found->second.size();
}

void Catalogue::set_counts(std::string const& name, MountCounts counts) {
  std::lock_guard lock(mutex_);
  for (auto mount = adopted_.lower_bound({name, ""});
       mount != adopted_.end() && mount->first == name;) {
    mount = counts.count(mount->second) == 0 ? adopted_.erase(mount) : std::next(mount);
  }
  MountCounts& kept = counts_[name];
  for (auto const& [mount_id, count] : kept) {
    if (counts.count(mount_id) == 0) serials_.erase({name, mount_id});
  }
  for (auto const& [mount_id, count] : counts) {
    if (kept.count(mount_id) == 0) serials_[{name, mount_id}] = ++last_serial_;
  }
  kept = std::move(counts);
  if (kept.empty()) counts_.erase(name);
}

void Catalogue::adopt_counts(std::string const& name, MountCounts counts) {
  if (counts.empty()) return;
  std::lock_guard lock(mutex_);
  for (auto const& [mount_id, count] : counts) adopted_.emplace(name, mount_id);
  counts_[name] = std::move(counts);
}

std::uint64_t Catalogue::serial(std::string const& name, std::string const& mount_id) const {
  std::lock_guard lock(mutex_);
  auto found = serials_.find({name, mount_id});
  return found == serials_.end() ? 0 : found->second;
}

void Catalogue::doubt_adopted() {
  std::lock_guard lock(mutex_);
  doubt_adopted_ = true;
}

bool Catalogue::doubted(std::string const& name, std::string const& mount_id) const {
  std::lock_guard lock(mutex_);
  return doubt_adopted_ && adopted_.count({name, mount_id}) != 0;
}

std::set<std::string> Catalogue::needed_layers() const {
  std::vector<VolumePtr> volumes;
  std::set<std::string> needed;
  {
    std::lock_guard lock(mutex_);
    needed.insert(pinned_.begin(), pinned_.end());
    volumes.reserve(volumes_.size());
    for (auto const& [name, entry] : volumes_) volumes.push_back(entry.volume);
    for (auto const& [name, clones] : clones_) {
      auto snapshot = volumes_.find(name);
      for (auto const& [mount_id, clone] : clones.by_id) {
        bool named = snapshot != volumes_.end() &&
                     snapshot->second.volume->record.stack == clone.stack;  // nearly always
        if (!named) needed.insert(clone.stack.begin(), clone.stack.end());
      }
    }
  }
  for (auto const& volume : volumes) {
    needed.insert(volume->record.stack.begin(), volume->record.stack.end());
    if (!volume->record.upper.empty()) needed.insert(volume->record.upper);
  }
  return needed;
}

bool Catalogue::may_sweep() const {
  std::lock_guard lock(mutex_);
  return may_sweep_;
}

void Catalogue::never_sweep() {
  std::lock_guard lock(mutex_);
  may_sweep_ = false;
}

Catalogue::Pin::Pin(Catalogue& catalogue, Stack layers)
    : catalogue_(&catalogue), layers_(std::move(layers)) {
  std::lock_guard lock(catalogue_->mutex_);
  catalogue_->pinned_.insert(layers_.begin(), layers_.end());
}

Catalogue::Pin::Pin(Pin&& other) noexcept { *this = std::move(other); }

Catalogue::Pin& Catalogue::Pin::operator=(Pin&& other) noexcept {
  std::swap(catalogue_, other.catalogue_);
  std::swap(layers_, other.layers_);
  return *this;
}

Catalogue::Pin::~Pin() {
  if (catalogue_ == nullptr) return;
  std::lock_guard lock(catalogue_->mutex_);
  for (auto const& layer : layers_) catalogue_->pinned_.erase(catalogue_->pinned_.find(layer));
}

}  // namespace snapclone::volume
