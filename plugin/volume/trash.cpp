// SPDX-License-Identifier: Apache-2.0
#include "volume/trash.hpp"

#include "sys/cancelled.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace snapclone::volume {
namespace {

constexpr std::chrono::seconds kRetry{5};
constexpr std::chrono::milliseconds kRetryPerItem{20};
constexpr int kNiceness = 10;
constexpr std::array<std::string_view, 4> kKinds = {"clone", "layer", "boot", "other"};

std::string_view name_of(TrashKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

TrashKind kind_of(std::string const& entry) {
  std::string_view start = std::string_view(entry).substr(0, entry.find('-'));
  auto found = std::find(kKinds.begin(), kKinds.end(), start);
  return found == kKinds.end() ? TrashKind::other : static_cast<TrashKind>(found - kKinds.begin());
}

}  // namespace

std::chrono::milliseconds retry_pause(std::size_t waiting) {
  return std::max<std::chrono::milliseconds>(kRetry, kRetryPerItem * waiting);
}

Trash::Trash(Pool const& pool, MountPoints const& points, backend::Backend& backend,
             Catalogue& catalogue)
    : pool_(pool), points_(points), backend_(backend), catalogue_(catalogue) {}

void Trash::start() {
  std::set<std::string> queued;
  {
    sys::MutexLock lock(mutex_);
    for (auto const& item : items_) queued.insert(item.path.string());
  }
  for (auto const& name : sys::list_dir(pool_.trash())) {
    fs::path entry = pool_.trash() / name;
    if (queued.count(entry.string()) == 0) queue(entry);
  }
  thread_.emplace(kNiceness, [this](std::stop_token const& stop) { run(stop); });
}

// A clone keeps its name, by which its mount points are found.
fs::path Trash::new_entry(fs::path const& tree, TrashKind kind) const {
  std::string id = kind == TrashKind::clone ? tree.filename().string() : sys::random_id();
  return pool_.trash() / (std::string(name_of(kind)) + "-" + id);
}

void Trash::put(fs::path const& tree, TrashKind kind) {
  fs::path entry = new_entry(tree, kind);
  sys::rename_new(tree, entry);
  queue(entry);
}

void Trash::drop(fs::path const& tree, TrashKind kind) {
  try {
    put(tree, kind);
  } catch (sys::Error const&) {
    queue({tree, kind, {}, {}, Clock::now()});  // which says so if it fails again
  }
}

void Trash::drop(CloneRecord const& clone) {
  queue(pool_.clone(clone.id), clone, {catalogue_, clone.stack});
}

void Trash::drop_leftover_work(fs::path const& tree) {
  if (auto work = backend_.leftover_work(tree)) drop(*work, TrashKind::other);
}

void Trash::take_clones_for_another_boots() {
  for (auto const& name : sys::list_dir(pool_.trash())) {
    if (kind_of(name) == TrashKind::clone) put(pool_.trash() / name, TrashKind::boot);
  }
}

void Trash::queue(fs::path const& entry) { queue(item(entry)); }

void Trash::queue(fs::path const& entry, CloneRecord const& clone, Catalogue::Pin pin) {
  queue({entry, TrashKind::clone, clone, std::move(pin), Clock::now()});
}

void Trash::queue(Item item) {
  {
    sys::MutexLock lock(mutex_);
    items_.push_back(std::move(item));
  }
  changed_.notify_all();
}

Trash::Item Trash::item(fs::path const& entry) {
  Item item{entry, kind_of(entry.filename().string()), {}, {}, Clock::now()};
  if (item.kind != TrashKind::clone) return item;
  try {
    // Without a record the clone was never mounted and needs nothing.
    fs::path record = Pool::clone_record_in(entry);
    if (sys::exists(record)) {
      item.clone = decode_clone(sys::read_file(record));
      item.pin = {catalogue_, item.clone->stack};
    }
  } catch (std::exception const& error) {
    catalogue_.never_sweep();
    sys::log_error("no layer will be deleted, because " + Pool::clone_record_in(entry).string() +
                   " cannot be read: " + error.what());
  }
  return item;
}

void Trash::sweep() {
  {
    sys::MutexLock lock(mutex_);
    sweep_at_ = Clock::now();
  }
  changed_.notify_all();
}

void Trash::wait() {
  sys::MutexLock lock(mutex_);
  changed_.wait(mutex_, [this]() REQUIRES(mutex_) { return !busy_ && !is_due(); });
}

bool Trash::is_due() const {
  auto now = Clock::now();
  return sweep_at_ <= now || std::any_of(items_.begin(), items_.end(),
                                         [now](Item const& item) { return item.when <= now; });
}

void Trash::run(std::stop_token const& stop) {
  while (!stop.stop_requested()) {
    if (std::optional<Item> item = next_item()) {
      delete_or_keep(std::move(*item), stop);
    } else if (begin_sweep()) {
      sweep_now();
    } else {
      rest(stop);
    }
  }
}

std::optional<Trash::Item> Trash::next_item() {
  sys::MutexLock lock(mutex_);
  auto due = std::find_if(items_.begin(), items_.end(),
                          [](Item const& item) { return item.when <= Clock::now(); });
  if (due == items_.end()) return std::nullopt;
  Item item = std::move(*due);
  items_.erase(due);
  busy_ = true;
  return item;
}

void Trash::delete_or_keep(Item item, std::stop_token const& stop) {
  bool gone = remove(item, stop);
  bool freed = gone && frees_layers(item);
  if (gone) item.pin = {};  // before the sweep that it may need
  sys::MutexLock lock(mutex_);
  if (freed) sweep_at_ = Clock::now();
  if (gone) return;
  items_.push_back(std::move(item));
  items_.back().when = Clock::now() + retry_pause(items_.size());
}

bool Trash::begin_sweep() {
  sys::MutexLock lock(mutex_);
  if (sweep_at_ > Clock::now()) return false;
  sweep_at_ = Clock::time_point::max();
  busy_ = true;
  return true;
}

void Trash::sweep_now() {
  if (put_unneeded_layers()) return;
  sys::MutexLock lock(mutex_);
  sweep_at_ = std::min(sweep_at_, Clock::now() + kRetry);
}

void Trash::rest(std::stop_token const& stop) {
  sys::MutexLock lock(mutex_);
  busy_ = false;
  changed_.notify_all();
  auto next = std::min(sweep_at_, Clock::now() + std::chrono::hours(1));
  for (auto const& item : items_) next = std::min(next, item.when);
  changed_.wait_until(mutex_, stop, next, [this]() REQUIRES(mutex_) { return is_due(); });
}

// Whether layers may become unneeded when the clone goes: not while its snapshot is there, as it
// nearly always is.
bool Trash::frees_layers(Item const& item) const {
  if (!item.clone) return false;
  VolumePtr snapshot = catalogue_.find(item.clone->volume);
  return !snapshot || snapshot->record.stack != item.clone->stack;
}

// True if the entry is gone.
bool Trash::remove(Item& item, std::stop_token const& stop) {
  std::string name = item.path.filename().string();
  try {
    if (item.path.parent_path() != pool_.trash()) {
      if (!sys::exists(item.path)) return true;
      fs::path entry = new_entry(item.path, item.kind);
      sys::rename_new(item.path, entry);
      item.path = entry;
      name = entry.filename().string();
    }
    if (item.kind == TrashKind::clone) {  // if that failed at its Unmount
      clear_clone(points_, name.substr(name.find('-') + 1));
    }
    bool could_be_used = item.kind == TrashKind::clone || item.kind == TrashKind::layer;
    backend::Use use = could_be_used ? backend_.use_of(item.path) : backend::Use::free;
    if (use != backend::Use::free) {
      if (!std::exchange(item.complained, true)) {
        sys::log_info(name + (use == backend::Use::used
                                  ? " is still in use by a container and is kept until it ends"
                                  : " may be in use by a container that started before the plugin "
                                    "did, and is kept until the machine's next boot"));
      }
      return false;
    }
    backend_.remove(item.path, stop);
    sys::log_debug("deleted " + name);
    keep_reserve();
    return true;
  } catch (sys::Cancelled const&) {
    return false;
  } catch (std::exception const& error) {
    if (!std::exchange(item.complained, true)) {
      sys::log_warning("cannot delete " + name + " yet, will try again: " + error.what());
    }
    return false;
  }
}

// A start on a full disk may have used it up.
void Trash::keep_reserve() const {
  try {
    pool_.keep_reserve();
  } catch (sys::Error const& error) {
    sys::log_debug(error.what());  // the disk is still full
  }
}

// The layers are listed before it is asked which are needed: one that appears later is pinned
// until a record names it, and is not in the list. False if it has to be done again.
bool Trash::put_unneeded_layers() {
  try {
    if (!catalogue_.may_sweep()) return true;
    auto layers = sys::list_dir(pool_.layers());
    auto needed = catalogue_.needed_layers();
    for (auto const& layer : layers) {
      if (needed.count(layer) == 0) put(pool_.layer(layer), TrashKind::layer);
    }
    cannot_sweep_ = false;
    return true;
  } catch (std::exception const& error) {
    if (!std::exchange(cannot_sweep_, true)) {
      sys::log_warning(std::string("cannot look for unneeded layers yet, will try again: ") +
                       error.what());
    }
    return false;
  }
}

}  // namespace snapclone::volume
