// SPDX-License-Identifier: Apache-2.0
#include "volume/catalogue.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"
#include "volume/refusal.hpp"

#include <algorithm>
#include <utility>

namespace snapclone::volume {

using sys::MutexLock;

namespace {

VolumePtr readable(Record const& record) { return std::make_shared<Volume const>(Volume{record}); }

}  // namespace

void Catalogue::load() {
  auto names = sys::list_dir(pool_.volumes());
  // Kernels may leave out what is in a damaged block of a directory, and say nothing.
  if (names.size() < sys::least_subdirs(pool_.volumes())) {
    never_sweep();
    sys::log_error("the directory " + pool_.volumes().string() +
                   " shows fewer volumes than it has: its file system is damaged. No layer will be "
                   "deleted; disable the plugin, and after fsck put back what is in lost+found");
  }
  for (auto const& name : names) {
    if (!VolumeName::allows(name)) {
      never_sweep();
      sys::log_error("\"" + sys::excerpt(name) + "\" in " + pool_.volumes().string() +
                     " has no name that a volume can have: it is left alone, and no layer will be "
                     "deleted until it is gone and the plugin has been enabled again");
      continue;
    }
    auto volume = std::make_shared<Volume>(read(VolumeName(name)));
    MutexLock lock(mutex_);
    if (!volume->unreadable.empty()) may_sweep_ = false;
    volumes_[volume->record.name] = {volume};
  }
  refuse_named_uppers();
}

Volume Catalogue::read(VolumeName const& name) const {
  fs::path path = pool_.record(name.text());
  try {
    Record record = decode_record(sys::read_file(path));
    if (record.name != name) throw std::runtime_error("it is the record of another name");
    Stack layers = record.stack;
    if (record.kind == Kind::volume) layers.push_back(record.upper);
    for (auto const& layer : layers) {
      if (!sys::exists(pool_.tree(layer))) throw std::runtime_error("layer " + layer + " is gone");
    }
    return {record};
  } catch (std::exception const& error) {
    std::string why =
        "the record " + path.string() + " cannot be used: " + error.what() +
        "; nothing was changed, and docs/operations.md (\"When things go wrong\") says "
        "what to do";
    sys::log_error("volume \"" + name.text() + "\": " + why);
    return {Record{.name = name}, why};
  }
}

// Our own writes never name an upper in a stack. If a pool does all the same, the volume must not
// be written: its snapshot would change.
void Catalogue::refuse_named_uppers() {
  MutexLock lock(mutex_);
  std::multiset<std::string> named;
  for (auto const& [name, entry] : volumes_) {
    named.insert(entry.volume->record.stack.begin(), entry.volume->record.stack.end());
    if (!entry.volume->record.upper.empty()) named.insert(entry.volume->record.upper);
  }
  for (auto& [name, entry] : volumes_) {
    std::string const& upper = entry.volume->record.upper;
    if (upper.empty() || named.count(upper) == 1) continue;
    Volume refused = *entry.volume;
    refused.unreadable =
        "its layer " + upper +
        " belongs to another volume or snapshot as well; nothing was changed: use one that was "
        "made from it, or restore the pool from a backup";
    sys::log_error("volume \"" + name.text() + "\": " + refused.unreadable);
    entry.volume = std::make_shared<Volume const>(std::move(refused));
    may_sweep_ = false;
  }
}

VolumePtr Catalogue::find(VolumeName const& name) const {
  MutexLock lock(mutex_);
  auto found = volumes_.find(name);
  return found == volumes_.end() ? nullptr : found->second.volume;
}

std::vector<VolumePtr> Catalogue::all() const {
  MutexLock lock(mutex_);
  std::vector<VolumePtr> volumes;
  volumes.reserve(volumes_.size());
  for (auto const& [name, entry] : volumes_) volumes.push_back(entry.volume);
  return volumes;
}

void Catalogue::commit(Record const& record, std::string const& text,
                       fs::path const& staged) const {
  sys::make_dir(staged);
  sys::write_file(Pool::record_in(staged), text, sys::Durability::power);
  sys::sync_dir(staged);
  sys::rename_new(staged, pool_.volume(record.name.text()));  // the commit point
}

void Catalogue::adopt(std::string const& text, fs::path const& staged) {
  auto volume = readable(decode_record(text));
  commit(volume->record, text, staged);
  {
    MutexLock lock(mutex_);
    volumes_[volume->record.name] = {volume};
  }
  sys::sync_dir(pool_.volumes());
}

void Catalogue::add(Record const& record, fs::path const& staged) {
  auto volume = readable(record);
  commit(record, encode(record), staged);
  try {
    sys::sync_dir(pool_.volumes());
  } catch (sys::Error const& error) {
    sys::log_error(std::string("a new volume may not survive a power cut: ") + error.what());
  }
  MutexLock lock(mutex_);
  volumes_[record.name] = {std::move(volume)};
}

void Catalogue::replace(Record const& record) {
  auto volume = readable(record);
  sys::write_file(pool_.record(record.name.text()), encode(record), sys::Durability::power);
  {
    MutexLock lock(mutex_);
    volumes_[record.name].volume = std::move(volume);
  }
  sys::sync_dir(pool_.volume(record.name.text()));
}

Catalogue::Removal::Removal(Catalogue& catalogue, VolumeName name)
    : catalogue_(catalogue), name_(std::move(name)) {
  MutexLock lock(catalogue_.mutex_);
  live_clones_ = catalogue_.live_.number_of_clones(name_);
  if (live_clones_ == 0) catalogue_.volumes_.at(name_).removing = true;
}

Catalogue::Removal::~Removal() {
  MutexLock lock(catalogue_.mutex_);
  auto found = catalogue_.volumes_.find(name_);
  if (found != catalogue_.volumes_.end()) found->second.removing = false;
}

fs::path Catalogue::Removal::commit() {
  Pool const& pool = catalogue_.pool_;
  fs::path trashed = pool.trash() / ("volume-" + sys::random_id());
  sys::rename_new(pool.volume(name_.text()), trashed);  // the commit point
  try {
    sys::sync_dir(pool.volumes());
  } catch (sys::Error const& error) {
    sys::log_error(std::string("a removed volume may come back after a power cut: ") +
                   error.what());
  }
  MutexLock lock(catalogue_.mutex_);
  catalogue_.volumes_.erase(name_);
  catalogue_.live_.forget_counts(name_);
  return trashed;
}

void Catalogue::start_clone(CloneRecord const& clone, VolumePtr const& snapshot) {
  {
    MutexLock lock(mutex_);
    auto found = volumes_.find(clone.volume);
    if (found == volumes_.end() || found->second.removing || found->second.volume != snapshot) {
      throw Refusal(described(snapshot->record) + " has just been removed");
    }
    live_.start_clone(clone);
  }
  watch_.announce(clone.stack);
}

void Catalogue::adopt_clone(CloneRecord const& clone) {
  MutexLock lock(mutex_);
  live_.adopt_clone(clone);
}

void Catalogue::set_clone_count(CloneRecord const& clone) {
  MutexLock lock(mutex_);
  live_.set_clone_count(clone);
}

void Catalogue::end_clone(CloneRecord const& clone) {
  MutexLock lock(mutex_);
  live_.end_clone(clone);
}

std::optional<CloneRecord> Catalogue::find_clone(VolumeName const& name,
                                                 MountId const& mount_id) const {
  MutexLock lock(mutex_);
  return live_.find_clone(name, mount_id);
}

std::size_t Catalogue::number_of_clones(VolumeName const& name) const {
  MutexLock lock(mutex_);
  return live_.number_of_clones(name);
}

std::vector<CloneRecord> Catalogue::clones_of(VolumeName const& name) const {
  MutexLock lock(mutex_);
  return live_.clones_of(name);
}

MatchingClones Catalogue::matching_clones(VolumeName const& name, std::string const& beginning,
                                          std::size_t most) const {
  MutexLock lock(mutex_);
  return live_.matching_clones(name, beginning, most);
}

std::vector<CloneAge> Catalogue::newest_clones(VolumeName const& name, std::size_t most) const {
  MutexLock lock(mutex_);
  return live_.newest_clones(name, most);
}

MountCounts Catalogue::counts(VolumeName const& name) const {
  MutexLock lock(mutex_);
  return live_.counts(name);
}

std::size_t Catalogue::number_of_counts(VolumeName const& name) const {
  MutexLock lock(mutex_);
  return live_.number_of_counts(name);
}

void Catalogue::set_counts(VolumeName const& name, MountCounts counts) {
  MutexLock lock(mutex_);
  live_.set_counts(name, std::move(counts));
}

void Catalogue::adopt_counts(VolumeName const& name, MountCounts counts) {
  MutexLock lock(mutex_);
  live_.adopt_counts(name, std::move(counts));
}

std::uint64_t Catalogue::serial(VolumeName const& name, MountId const& mount_id) const {
  MutexLock lock(mutex_);
  return live_.serial(name, mount_id);
}

void Catalogue::doubt_adopted() {
  MutexLock lock(mutex_);
  live_.doubt_adopted();
}

bool Catalogue::doubted(VolumeName const& name, MountId const& mount_id) const {
  MutexLock lock(mutex_);
  return live_.doubted(name, mount_id);
}

std::set<std::string> Catalogue::needed_layers() const {
  std::vector<VolumePtr> volumes;
  std::set<std::string> needed;
  {
    MutexLock lock(mutex_);
    needed.insert(pinned_.begin(), pinned_.end());
    volumes.reserve(volumes_.size());
    for (auto const& [name, entry] : volumes_) volumes.push_back(entry.volume);
    for (auto const& [name, clones] : live_.clones()) {
      auto snapshot = volumes_.find(name);
      for (auto const& [mount_id, clone] : clones.by_id) {
        bool named = snapshot != volumes_.end() &&
                     snapshot->second.volume->record.stack == clone.stack;  // nearly always
        if (!named) needed.insert(clone.stack.begin(), clone.stack.end());
      }
    }
  }
  for (auto const& volume : volumes) {
    Stack layers = layers_of(volume->record);
    needed.insert(layers.begin(), layers.end());
  }
  return needed;
}

bool Catalogue::uses(std::set<std::string> const& layers) const {
  MutexLock lock(mutex_);
  if (std::any_of(layers.begin(), layers.end(), [this](auto const& layer) REQUIRES(mutex_) {
        return pinned_.count(layer) != 0;
      })) {
    return true;
  }
  for (auto const& [name, clones] : live_.clones()) {
    Stack const* last = nullptr;  // most clones of a snapshot have the same
    for (auto const& [mount_id, clone] : clones.by_id) {
      if (last != nullptr && *last == clone.stack) continue;
      last = &clone.stack;
      if (pool::has_any(*last, layers)) return true;
    }
  }
  return false;
}

bool Catalogue::may_sweep() const {
  MutexLock lock(mutex_);
  return may_sweep_;
}

void Catalogue::never_sweep() {
  MutexLock lock(mutex_);
  may_sweep_ = false;
}

Catalogue::Pin::Pin(Catalogue& catalogue, Stack layers)
    : catalogue_(&catalogue), layers_(std::move(layers)) {
  {
    MutexLock lock(catalogue_->mutex_);
    catalogue_->pinned_.insert(layers_.begin(), layers_.end());
  }
  catalogue_->watch_.announce(layers_);
}

Catalogue::Pin::Pin(Pin&& other) noexcept { *this = std::move(other); }

Catalogue::Pin& Catalogue::Pin::operator=(Pin&& other) noexcept {
  std::swap(catalogue_, other.catalogue_);
  std::swap(layers_, other.layers_);
  return *this;
}

Catalogue::Pin::~Pin() {
  if (catalogue_ == nullptr) return;
  MutexLock lock(catalogue_->mutex_);
  for (auto const& layer : layers_) catalogue_->pinned_.erase(catalogue_->pinned_.find(layer));
}

}  // namespace snapclone::volume
