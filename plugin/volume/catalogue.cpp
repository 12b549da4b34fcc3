// SPDX-License-Identifier: Apache-2.0
#include "volume/catalogue.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"

namespace snapclone::volume {
namespace {

fs::path record_path(fs::path const& directory) { return directory / "volume.json"; }

VolumePtr readable(Record const& record) {
  return std::make_shared<Volume const>(Volume{record, ""});
}

}  // namespace

void Catalogue::load() {
  for (auto const& name : sys::list_dir(pool_.volumes())) {
    auto volume = std::make_shared<Volume>(read(name));
    std::lock_guard lock(mutex_);
    if (!volume->unreadable.empty()) may_sweep_ = false;
    volumes_[name] = {std::move(volume)};
  }
  refuse_named_uppers();
}

Volume Catalogue::read(std::string const& name) const {
  fs::path path = record_path(pool_.volume(name));
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
    sys::log_error("volume \"" + shown(name) + "\": " + volume.unreadable);
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
  sys::write_file(record_path(staged), encode(record), sys::Durability::power);
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
  sys::write_file(record_path(directory), encode(record), sys::Durability::power);
  {
    std::lock_guard lock(mutex_);
    volumes_[record.name].volume = std::move(volume);
  }
  sys::sync_dir(directory);
}

std::size_t Catalogue::begin_removal(std::string const& name) {
  std::lock_guard lock(mutex_);
  auto clones = clones_.find(name);
  if (clones != clones_.end() && !clones->second.empty()) return clones->second.size();
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
  clones_[clone.volume][clone.mount_id] = clone;
}

void Catalogue::adopt_clone(CloneRecord const& clone) {
  std::lock_guard lock(mutex_);
  clones_[clone.volume][clone.mount_id] = clone;
}

bool Catalogue::find_clone(std::string const& name, std::string const& mount_id,
                           CloneRecord& found) const {
  std::lock_guard lock(mutex_);
  auto clones = clones_.find(name);
  if (clones == clones_.end()) return false;
  auto clone = clones->second.find(mount_id);
  if (clone == clones->second.end()) return false;
  found = clone->second;
  return true;
}

void Catalogue::set_clone_count(CloneRecord const& clone) {
  std::lock_guard lock(mutex_);
  clones_.at(clone.volume).at(clone.mount_id).count = clone.count;
}

void Catalogue::end_clone(CloneRecord const& clone) {
  std::lock_guard lock(mutex_);
  auto clones = clones_.find(clone.volume);
  if (clones == clones_.end()) return;
  auto found = clones->second.find(clone.mount_id);
  if (found != clones->second.end() && found->second.id == clone.id) clones->second.erase(found);
  if (clones->second.empty()) clones_.erase(clones);
}

std::vector<CloneRecord> Catalogue::clones_of(std::string const& name) const {
  std::lock_guard lock(mutex_);
  std::vector<CloneRecord> all;
  auto clones = clones_.find(name);
  if (clones == clones_.end()) return all;
  for (auto const& [mount_id, clone] : clones->second) all.push_back(clone);
  return all;
}

MountCounts Catalogue::counts(std::string const& name) const {
  std::lock_guard lock(mutex_);
  auto found = counts_.find(name);
  return found == counts_.end() ? MountCounts{} : found->second;
}

void Catalogue::set_counts(std::string const& name, MountCounts counts) {
  std::lock_guard lock(mutex_);
  if (counts.empty()) {
    counts_.erase(name);
  } else {
    counts_[name] = std::move(counts);
  }
}

std::set<std::string> Catalogue::needed_layers() const {
  std::lock_guard lock(mutex_);
  std::set<std::string> needed(pinned_.begin(), pinned_.end());
  for (auto const& [name, entry] : volumes_) {
    Record const& record = entry.volume->record;
    needed.insert(record.stack.begin(), record.stack.end());
    if (!record.upper.empty()) needed.insert(record.upper);
  }
  for (auto const& [name, clones] : clones_) {
    for (auto const& [mount_id, clone] : clones) {
      needed.insert(clone.stack.begin(), clone.stack.end());
    }
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
