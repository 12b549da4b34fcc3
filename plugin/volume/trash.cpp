// SPDX-License-Identifier: Apache-2.0
#include "volume/trash.hpp"

#include "clone/tree.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"

#include <algorithm>
#include <array>

#include <sys/resource.h>
#include <unistd.h>

namespace snapclone::volume {
namespace {

constexpr std::chrono::seconds kRetry{5};
constexpr int kNiceness = 10;
constexpr std::array<std::string_view, 4> kKinds = {"clone", "layer", "boot", "other"};

std::string_view name_of(TrashKind kind) { return kKinds.at(static_cast<std::size_t>(kind)); }

TrashKind kind_of(std::string const& entry) {
  std::string_view start = std::string_view(entry).substr(0, entry.find('-'));
  auto found = std::find(kKinds.begin(), kKinds.end(), start);
  return found == kKinds.end() ? TrashKind::other : static_cast<TrashKind>(found - kKinds.begin());
}

struct Stopped {};

}  // namespace

Trash::Trash(Pool const& pool, MountPoints const& points, clone::Backend& backend,
             Catalogue& catalogue)
    : pool_(pool), points_(points), backend_(backend), catalogue_(catalogue) {}

Trash::~Trash() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Trash::start() {
  for (auto const& name : sys::list_dir(pool_.trash())) {
    fs::path entry = pool_.trash() / name;
    std::lock_guard lock(mutex_);
    bool queued = std::any_of(items_.begin(), items_.end(),
                              [&](Item const& known) { return known.path == entry; });
    if (!queued) items_.push_back(item(entry));
  }
  thread_ = std::thread([this] { run(); });
}

void Trash::put(fs::path const& tree, TrashKind kind) {
  fs::path entry = pool_.trash() / (std::string(name_of(kind)) + "-" + sys::random_id());
  sys::rename_new(tree, entry);
  queue(entry);
}

void Trash::queue(fs::path const& entry) {
  Item queued = item(entry);
  {
    std::lock_guard lock(mutex_);
    items_.push_back(std::move(queued));
  }
  changed_.notify_all();
}

Trash::Item Trash::item(fs::path const& entry) {
  Item item{entry, kind_of(entry.filename().string()), {}, Clock::now()};
  if (item.kind != TrashKind::clone) return item;
  try {
    // Without a record the clone was never mounted and needs nothing.
    if (sys::exists(entry / "clone.json")) {
      item.pin = {catalogue_, decode_clone(sys::read_file(entry / "clone.json")).stack};
    }
  } catch (std::exception const& error) {
    catalogue_.never_sweep();
    sys::log_error("no layer will be deleted, because " + entry.string() +
                   "/clone.json cannot be read: " + error.what());
  }
  return item;
}

void Trash::sweep() {
  {
    std::lock_guard lock(mutex_);
    sweep_wanted_ = true;
  }
  changed_.notify_all();
}

void Trash::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    bool idle = std::all_of(items_.begin(), items_.end(),
                            [](Item const& item) { return item.when > Clock::now(); });
    return stopping_ || (idle && !busy_ && !sweep_wanted_);
  });
}

void Trash::run() {
  // Linux gives each thread a niceness of its own; without it the thread just is not as polite.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    auto due = std::find_if(items_.begin(), items_.end(),
                            [](Item const& item) { return item.when <= Clock::now(); });
    if (due != items_.end()) {
      Item item = std::move(*due);
      items_.erase(due);
      busy_ = true;
      lock.unlock();
      bool gone = remove(item);
      bool freed = gone && item.kind == TrashKind::clone;
      if (gone) item.pin = {};
      lock.lock();
      if (!gone) {
        item.when = Clock::now() + kRetry;
        items_.push_back(std::move(item));
      }
      sweep_wanted_ = sweep_wanted_ || freed;
    } else if (sweep_wanted_) {
      sweep_wanted_ = false;
      busy_ = true;
      lock.unlock();
      sweep_now();
      lock.lock();
    } else {
      busy_ = false;
      changed_.notify_all();
      auto next = Clock::now() + std::chrono::hours(1);
      for (auto const& item : items_) next = std::min(next, item.when);
      changed_.wait_until(lock, next);
    }
  }
}

// True if the entry is gone.
bool Trash::remove(Item& item) {
  std::string name = item.path.filename().string();
  try {
    if (item.kind == TrashKind::clone) {  // if that failed at its Unmount
      clear_mount_point(points_.clone(name.substr(name.find('-') + 1)));
    }
    bool could_be_used = item.kind == TrashKind::clone || item.kind == TrashKind::layer;
    if (could_be_used && backend_.in_use(item.path)) {
      if (complained_.insert(name).second) {
        sys::log_info(name + " is still in use by a container and is kept until it ends");
      }
      return false;
    }
    clone::remove_tree(item.path, [this] {
      std::lock_guard lock(mutex_);
      if (stopping_) throw Stopped{};
    });
    complained_.erase(name);
    sys::log_debug("deleted " + name);
    return true;
  } catch (Stopped const&) {
    return false;
  } catch (std::exception const& error) {
    if (complained_.insert(name).second) {
      sys::log_warning("cannot delete " + name + " yet, will try again: " + error.what());
    }
    return false;
  }
}

// The layers are listed before it is asked which are needed: one that appears later is pinned
// until a record names it, and is not in the list.
void Trash::sweep_now() {
  try {
    if (!catalogue_.may_sweep()) return;
    auto layers = sys::list_dir(pool_.layers());
    auto needed = catalogue_.needed_layers();
    for (auto const& layer : layers) {
      if (needed.count(layer) == 0) put(pool_.layer(layer), TrashKind::layer);
    }
  } catch (std::exception const& error) {
    sys::log_warning(std::string("cannot look for unneeded layers: ") + error.what());
  }
}

}  // namespace snapclone::volume
