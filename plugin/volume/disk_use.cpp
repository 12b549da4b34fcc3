// SPDX-License-Identifier: Apache-2.0
#include "volume/disk_use.hpp"

#include "sys/cancelled.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "tree/disk_usage.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>

namespace snapclone::volume {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kShortestRest{60};
constexpr std::chrono::seconds kFirstRest{10};  // a start has more urgent things to do
constexpr int kRestPerWork = 20;
constexpr int kNiceness = 19;

// How many records name each layer.
std::map<std::string, unsigned> named_layers(std::vector<VolumePtr> const& volumes) {
  std::map<std::string, unsigned> named;
  for (auto const& volume : volumes) {
    for (auto const& layer : volume->record.stack) ++named[layer];
  }
  return named;
}

void rest(std::chrono::nanoseconds duration, std::stop_token const& stop) {
  sys::Mutex mutex;
  sys::MutexLock lock(mutex);
  std::condition_variable_any().wait_for(mutex, stop, duration, [] { return false; });
}

std::uint64_t size_of(fs::path const& tree, std::stop_token const& stop) {
  if (!sys::exists(Pool::content(tree))) return 0;  // removed meanwhile, or not yet made
  return tree::disk_usage(Pool::content(tree), stop);
}

}  // namespace

void DiskUseSampler::start() {
  thread_.emplace(kNiceness, [this](std::stop_token const& stop) { run(stop); });
}

void DiskUseSampler::run(std::stop_token const& stop) {
  rest(kFirstRest, stop);
  while (!stop.stop_requested()) {
    auto begin = Clock::now();
    try {
      measure(stop);
    } catch (sys::Cancelled const&) {
      return;
    } catch (std::exception const& error) {
      sys::log_warning(std::string("cannot measure the volumes: ") + error.what());
    }
    rest(std::max<std::chrono::nanoseconds>(kShortestRest, kRestPerWork * (Clock::now() - begin)),
         stop);
  }
}

void DiskUseSampler::measure(std::stop_token const& stop) {
  auto volumes = catalogue_.all();
  auto named = named_layers(volumes);
  std::erase_if(sealed_, [&](auto const& layer) { return named.count(layer.first) == 0; });
  std::map<VolumeName, DiskUse> found;
  DiskUse total;
  bool complete = true;
  for (auto const& volume : volumes) {
    Record const& record = volume->record;
    if (!volume->unreadable.empty()) continue;
    try {
      found[record.name] = measure_one(record, named, stop);
    } catch (sys::Error const& error) {
      sys::log_debug(described(record) + " is not measured now: " + error.what());
      complete = false;
      if (auto last = of(record.name)) found[record.name] = *last;
    }
  }
  // A layer that several records name belongs to none of them, but counts in the total.
  for (auto const& [layer, names] : named) {
    try {
      if (names > 1) total.own += size_of_layer(layer, true, stop);
    } catch (sys::Error const& error) {
      sys::log_debug("the layer " + layer + " is not measured now: " + error.what());
      complete = false;
    }
  }
  for (auto const& [name, use] : found) {
    total.own += use.own;
    total.clones += use.clones;
  }
  total.measured = sys::now_rfc3339();
  sys::MutexLock lock(mutex_);
  found_ = std::move(found);
  if (complete) total_ = total;
}

DiskUse DiskUseSampler::measure_one(Record const& record,
                                    std::map<std::string, unsigned> const& named,
                                    std::stop_token const& stop) {
  DiskUse use;
  for (auto const& layer : record.stack) {
    if (named.at(layer) == 1) use.own += size_of_layer(layer, true, stop);
  }
  if (!record.upper.empty()) use.own += size_of_layer(record.upper, false, stop);
  for (auto const& clone : catalogue_.clones_of(record.name)) {
    use.clones += size_of(tree_of(pool_, points_, clone), stop);
  }
  use.measured = sys::now_rfc3339();
  return use;
}

// A sealed layer of a stack never changes, so its size is measured once. Trees that share extents
// with each other own more once another is gone.
std::uint64_t DiskUseSampler::size_of_layer(std::string const& id, bool sealed,
                                            std::stop_token const& stop) {
  bool constant = sealed && backend_.layered();
  if (auto known = sealed_.find(id); constant && known != sealed_.end()) return known->second;
  std::uint64_t size = size_of(pool_.layer(id), stop);
  if (constant) sealed_[id] = size;
  return size;
}

std::optional<DiskUse> DiskUseSampler::of(VolumeName const& name) const {
  sys::MutexLock lock(mutex_);
  auto found = found_.find(name);
  if (found == found_.end()) return std::nullopt;
  return found->second;
}

std::optional<DiskUse> DiskUseSampler::total() const {
  sys::MutexLock lock(mutex_);
  return total_;
}

}  // namespace snapclone::volume
