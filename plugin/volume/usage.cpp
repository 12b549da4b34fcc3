// SPDX-License-Identifier: Apache-2.0
#include "volume/usage.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "tree/disk_usage.hpp"

#include <algorithm>
#include <chrono>

#include <sys/resource.h>
#include <unistd.h>

namespace snapclone::volume {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kShortestRest{60};
constexpr std::chrono::seconds kFirstRest{10};  // a start has more urgent things to do
constexpr int kRestPerWork = 20;
constexpr int kNiceness = 19;

struct Stopped {};

// How many records name each layer.
std::map<std::string, unsigned> named_layers(std::vector<VolumePtr> const& volumes) {
  std::map<std::string, unsigned> named;
  for (auto const& volume : volumes) {
    for (auto const& layer : volume->record.stack) ++named[layer];
  }
  return named;
}

}  // namespace

UsageSampler::~UsageSampler() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void UsageSampler::start() {
  thread_ = std::thread([this] { run(); });
}

void UsageSampler::run() {
  // Linux gives each thread a niceness of its own; without it the thread just is not as polite.
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  std::chrono::nanoseconds rest = kFirstRest;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, rest, [this] { return stopping_; })) {
    lock.unlock();
    auto begin = Clock::now();
    try {
      measure();
    } catch (Stopped const&) {
      return;
    } catch (std::exception const& error) {
      sys::log_warning(std::string("cannot measure the volumes: ") + error.what());
    }
    rest = std::max<std::chrono::nanoseconds>(kShortestRest, kRestPerWork * (Clock::now() - begin));
    lock.lock();
  }
}

void UsageSampler::measure() {
  auto volumes = catalogue_.all();
  auto named = named_layers(volumes);
  std::erase_if(sealed_, [&](auto const& layer) { return named.count(layer.first) == 0; });
  std::map<VolumeName, DiskUse> found;
  DiskUse total;
  for (auto const& volume : volumes) {
    Record const& record = volume->record;
    if (!volume->unreadable.empty()) continue;
    try {
      DiskUse use;
      for (auto const& layer : record.stack) {
        if (named[layer] == 1) use.own += size_of_layer(layer, true);
      }
      if (!record.upper.empty()) use.own += size_of_layer(record.upper, false);
      for (auto const& clone : catalogue_.clones_of(record.name)) {
        use.clones += size_of(tree_of(pool_, points_, clone));
      }
      use.measured = sys::now_rfc3339();
      found[record.name] = use;
    } catch (sys::Error const& error) {
      sys::log_debug(described(record) + " is not measured now: " + error.what());
      if (auto last = of(record.name)) found[record.name] = *last;
    }
  }
  // Layers that several records name belong to none of them, and are there all the same.
  for (auto const& [layer, names] : named) {
    try {
      if (names > 1) total.own += size_of_layer(layer, true);
    } catch (sys::Error const&) {
      // removed meanwhile
    }
  }
  for (auto const& [name, use] : found) {
    total.own += use.own;
    total.clones += use.clones;
  }
  total.measured = sys::now_rfc3339();
  std::lock_guard lock(mutex_);
  found_ = std::move(found);
  total_ = total;
}

// Where layers lie over each other a sealed one stays as it is. Of trees that share extents with
// each other more may be one's own when another is gone.
std::uint64_t UsageSampler::size_of_layer(std::string const& id, bool sealed) {
  bool stays = sealed && backend_.layered();
  if (auto known = sealed_.find(id); stays && known != sealed_.end()) return known->second;
  std::uint64_t size = size_of(pool_.layer(id));
  if (stays) sealed_[id] = size;
  return size;
}

std::uint64_t UsageSampler::size_of(fs::path const& tree) {
  if (!sys::exists(Pool::content(tree))) return 0;  // removed meanwhile, or not yet made
  return tree::disk_usage(Pool::content(tree), [this] {
    std::lock_guard lock(mutex_);
    if (stopping_) throw Stopped{};
  });
}

std::optional<DiskUse> UsageSampler::of(VolumeName const& name) const {
  std::lock_guard lock(mutex_);
  auto found = found_.find(name);
  if (found == found_.end()) return std::nullopt;
  return found->second;
}

std::optional<DiskUse> UsageSampler::total() const {
  std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace snapclone::volume
