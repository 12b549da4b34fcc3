// SPDX-License-Identifier: Apache-2.0
#include "volume/disk_use.hpp"

#include "sys/cancelled.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"
#include "tree/sealed_layer.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

namespace snapclone::volume {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kShortestRest{60};
constexpr std::chrono::seconds kFirstRest{10};  // a start has more urgent things to do
constexpr int kRestPerWork = 20;
constexpr int kNiceness = 19;

// Nothing of a tree that was removed meanwhile, or is not yet made.
tree::DiskUsage usage_of(fs::path const& path, tree::DiskUsageOptions const& options) {
  return sys::exists(path) ? tree::disk_usage(path, options) : tree::DiskUsage{};
}

// The records that name a layer.
struct Users {
  unsigned number = 0;
  VolumePtr first;
};

// The beginning of a sentence: 2 files of snapshot "seed", and of 1 other with the same layer
std::string files_of(tree::SealedLayerCheck::Found const& found, Users const& users) {
  std::string text = sys::counted(found.count, "file") + " of " + described(users.first->record);
  if (users.number == 1) return text;
  return text + ", and of " + sys::counted(users.number - 1, "other") + " with the same layer,";
}

std::string paths_of(tree::SealedLayerCheck::Found const& found) {
  std::string paths;
  for (auto const& path : found.paths) paths += (paths.empty() ? "" : ", ") + sys::excerpt(path);
  return found.paths.size() < found.count ? paths + ", ..." : paths;
}

void report(tree::SealedLayerCheck const& check, Users const& users) {
  if (auto const& lost = check.flags_lost(); lost.count > 0) {
    sys::log_warning(
        files_of(lost, users) +
        " lost the flags immutable or append-only when a snapshot was made: " + paths_of(lost) +
        ". Overlayfs keeps them only in what a volume has written since its last snapshot. Set "
        "them again (chattr). A volume whose snapshot is made with live=true keeps them, and so "
        "does everything in a pool on btrfs");
  }
  if (auto const& full = check.unwritable(); full.count > 0) {
    sys::log_warning(
        files_of(full, users) +
        " cannot be changed any more since a snapshot was made (\"No space left on device\"): " +
        paths_of(full) +
        ". Their extended attributes leave no room for those that overlayfs adds at the first "
        "change. To make one that can be changed: cp -a FILE NEW && mv NEW FILE. A snapshot that "
        "is made with live=true leaves its volume as it is; a pool on xfs or btrfs has the room");
  }
}

}  // namespace

struct DiskUseSampler::Round {
  explicit Round(std::stop_token const& stop) : walk{.stop = stop, .shared_blocks = &shared} {}

  // For what cannot be measured now.
  void skip(std::string const& what, sys::Error const& error) {
    sys::log_debug(what + " cannot be measured now: " + error.what());
    complete = false;
  }

  tree::SharedBlocks shared;  // by anything in the pool
  tree::DiskUsageOptions const walk;
  std::map<std::string, Users> named;  // the layers of stacks
  Sizes layers;                        // those, and uppers
  std::map<VolumeName, DiskUse> found;
  PoolUse pool;
  bool complete = true;
};

void DiskUseSampler::start() {
  thread_.emplace(kNiceness, [this](std::stop_token const& stop) { run(stop); });
}

void DiskUseSampler::run(std::stop_token const& stop) {
  sys::rest(kFirstRest, stop);
  while (!stop.stop_requested()) {
    auto begin = Clock::now();
    try {
      measure(stop);
    } catch (sys::Cancelled const&) {
      return;
    } catch (std::exception const& error) {
      sys::log_warning(std::string("cannot measure the volumes: ") + error.what());
    }
    sys::rest(
        std::max<std::chrono::nanoseconds>(kShortestRest, kRestPerWork * (Clock::now() - begin)),
        stop);
  }
}

void DiskUseSampler::measure(std::stop_token const& stop) {
  Round round(stop);
  auto volumes = catalogue_.all();
  measure_layers(round, volumes);
  measure_volumes(round, volumes);
  for (auto const& [path, waits] : {std::pair{pool_.trash(), true}, {pool_.staging(), false}}) {
    try {
      std::uint64_t bytes = usage_of(path, round.walk).own;
      round.pool.used += bytes;
      if (waits) round.pool.waiting = bytes;
    } catch (sys::Error const& error) {
      round.skip(path.string(), error);
    }
  }
  round.pool.volumes += round.shared.bytes();
  round.pool.used += round.pool.volumes;
  round.pool.measured = sys::now_rfc3339();
  sys::MutexLock lock(mutex_);
  found_ = std::move(round.found);
  if (round.complete) pool_use_ = round.pool;
}

void DiskUseSampler::measure_layers(Round& round, std::vector<VolumePtr> const& volumes) {
  for (auto const& volume : volumes) {
    for (auto const& layer : volume->record.stack) {
      Users& users = round.named[layer];
      if (users.number++ == 0) users.first = volume;
    }
  }
  {
    sys::MutexLock lock(mutex_);
    std::erase_if(sealed_, [&](auto const& known) { return round.named.count(known.first) == 0; });
  }
  auto add = [&](std::string const& layer, auto const& measure) {
    try {
      round.pool.volumes += (round.layers[layer] = measure()).own;
    } catch (sys::Error const& error) {
      round.layers.erase(layer);
      round.skip("the layer " + layer, error);
    }
  };
  std::erase_if(checked_, [&](auto const& layer) { return round.named.count(layer) == 0; });
  for (auto const& [layer, users] : round.named) {
    add(layer, [&, &id = layer] { return usage_of_sealed(round, id); });
  }
  for (auto const& volume : volumes) {
    std::string const& upper = volume->record.upper;
    if (!upper.empty()) add(upper, [&] { return usage_of(pool_.tree(upper), round.walk); });
  }
}

// A sealed layer never changes. But files that share extents with others own more once those are
// gone.
tree::DiskUsage DiskUseSampler::usage_of_sealed(Round& round, std::string const& layer) {
  bool constant = backend_.layered() && backend_.reflinks() == false;
  std::uint64_t forgotten = 0;
  {
    sys::MutexLock lock(mutex_);
    forgotten = forgotten_;
    if (auto known = sealed_.find(layer); known != sealed_.end()) return known->second;
  }
  auto walk = round.walk;
  std::optional<tree::SealedLayerCheck> check;
  if (backend_.layered() && checked_.count(layer) == 0) {
    check.emplace(pool_.staging());
    walk.visit = [&](int entry, tree::TreePath const& place) { check->check(entry, place); };
  }
  tree::DiskUsage usage = usage_of(pool_.tree(layer), walk);
  if (check) {
    checked_.insert(layer);
    report(*check, round.named.at(layer));
  }
  sys::MutexLock lock(mutex_);
  if (constant && forgotten == forgotten_) sealed_[layer] = usage;
  return usage;
}

void DiskUseSampler::measure_volumes(Round& round, std::vector<VolumePtr> const& volumes) {
  for (auto const& volume : volumes) {
    Record const& record = volume->record;
    if (!volume->unreadable.empty()) continue;
    try {
      if (auto use = measure_one(round, record)) {
        round.found[record.name] = *use;
        continue;
      }
    } catch (sys::Error const& error) {
      round.skip(described(record), error);
    }
    if (auto last = of(record.name)) round.found[record.name] = *last;
  }
}

// Nothing if one of its layers could not be measured.
std::optional<DiskUse> DiskUseSampler::measure_one(Round& round, Record const& record) const {
  DiskUse use;
  for (auto const& layer : layers_of(record)) {
    auto found = round.layers.find(layer);
    if (found == round.layers.end()) return std::nullopt;
    auto named = round.named.find(layer);
    bool several = named != round.named.end() && named->second.number > 1;
    use.shared += found->second.shared;
    (several ? use.shared : use.own) += found->second.own;
  }
  for (auto const& clone : catalogue_.clones_of(record.name)) {
    std::uint64_t bytes = usage_of(Pool::content(tree_of(pool_, points_, clone)), round.walk).own;
    use.clones += bytes;
    if (!clone.in_memory) round.pool.used += bytes;
  }
  round.pool.clones += use.clones;
  bool copied = record.memory != 0 || (backend_.layered() && backend_.reflinks() == false);
  if (copied && record.kind == Kind::snapshot) use.first_write = first_write(round, record.stack);
  use.measured = sys::now_rfc3339();
  return use;
}

// Of the largest files of each layer, the largest that no newer layer hides.
std::optional<FirstWrite> DiskUseSampler::first_write(Round const& round,
                                                      Stack const& stack) const {
  std::optional<FirstWrite> found;
  auto hidden_above = [&](Stack::const_iterator layer, std::string const& path) {
    return std::any_of(stack.begin(), layer, [&](std::string const& newer) {
      return tree::hides(pool_.tree(newer), path);
    });
  };
  for (auto layer = stack.begin(); layer != stack.end(); ++layer) {
    for (auto const& file : round.layers.at(*layer).largest) {
      if (found && file.copied <= found->copied) break;
      if (hidden_above(layer, file.path)) continue;
      found = FirstWrite{file.path, file.size, file.copied};
      break;
    }
  }
  return found;
}

void DiskUseSampler::forget(std::string const& layer) {
  sys::MutexLock lock(mutex_);
  sealed_.erase(layer);
  ++forgotten_;
}

std::optional<DiskUse> DiskUseSampler::of(VolumeName const& name) const {
  sys::MutexLock lock(mutex_);
  auto found = found_.find(name);
  if (found == found_.end()) return std::nullopt;
  return found->second;
}

std::optional<PoolUse> DiskUseSampler::pool_use() const {
  sys::MutexLock lock(mutex_);
  return pool_use_;
}

}  // namespace snapclone::volume
