// SPDX-License-Identifier: Apache-2.0
#include "volume/pruner.hpp"

#include "sys/cancelled.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"
#include "tree/hidden_entries.hpp"
#include "volume/stack_view.hpp"

#include <algorithm>
#include <stdexcept>

namespace snapclone::volume {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRestPerWork = 4;
constexpr int kNiceness = 19;
// A Mount may wait for so many moves.
constexpr std::size_t kMovesAtOnce = 64;
// Each of them is walked. A layer that is seen through more is shared by many, and left alone.
constexpr std::size_t kMostTops = 64;

// False if somebody began to use the layers meanwhile.
bool move_all(tree::HiddenEntries& hidden, fs::path const& bin, bool files_only,
              LayerWatch::Watch& watch, std::stop_token const& stop) {
  while (!hidden.empty()) {
    sys::throw_if_cancelled(stop);
    bool held = watch.hold();
    if (held) hidden.move_some(bin, kMovesAtOnce, files_only);
    watch.release();
    if (!held) return false;
  }
  return true;
}

}  // namespace

std::map<std::string, std::set<std::string>> seen_through(std::vector<Stack> const& stacks) {
  std::set<std::string> tops;
  for (auto const& stack : stacks) tops.insert(stack.front());
  std::map<std::string, std::set<std::string>> through;
  for (auto const& stack : stacks) {
    std::string const* top = nullptr;
    for (auto const& layer : stack) {
      if (tops.count(layer) != 0) {
        top = &layer;
      } else {
        through[layer].insert(*top);
      }
    }
  }
  return through;
}

void Pruner::start(std::chrono::milliseconds pause) {
  if (!backend_.layered()) return;
  thread_.emplace(kNiceness, [this, pause](std::stop_token const& stop) { run(pause, stop); });
}

void Pruner::run(std::chrono::milliseconds pause, std::stop_token const& stop) {
  sys::rest(pause, stop);
  while (!stop.stop_requested()) {
    auto begin = Clock::now();
    try {
      round(stop);
    } catch (sys::Cancelled const&) {
      return;
    }
    sys::rest(std::max<std::chrono::nanoseconds>(pause, kRestPerWork * (Clock::now() - begin)),
              stop);
  }
}

std::uint64_t Pruner::round(std::stop_token const& stop) {
  if (!catalogue_.may_sweep()) return 0;
  Layers used = catalogue_.watch().take_announced();
  std::erase_if(done_, [&](auto const& done) {
    return std::any_of(done.second.begin(), done.second.end(),
                       [&](auto const& top) { return used.count(top) != 0; });
  });
  auto through = plan().seen_through();
  std::erase_if(done_, [&](auto const& done) { return through.count(done.first) == 0; });
  std::map<Tops, Layers> groups;
  for (auto const& [layer, tops] : through) {
    auto done = done_.find(layer);
    bool again = done == done_.end() || done->second != tops;
    if (again && tops.size() <= kMostTops) groups[tops].insert(layer);
  }
  std::uint64_t bytes = 0;
  for (auto const& [tops, layers] : groups) {
    try {
      bytes += prune(tops, layers, stop);
    } catch (sys::Cancelled const&) {
      throw;
    } catch (std::exception const& error) {
      sys::log_debug(std::string("hidden files are kept for now: ") + error.what());
    }
  }
  return bytes;
}

std::map<std::string, Pruner::Tops> Pruner::Plan::seen_through() const {
  std::vector<Stack> all;
  for (auto const& [top, stack] : stacks) all.push_back(stack);
  return volume::seen_through(all);
}

// Of the stacks that have any of the layers, or of all.
Pruner::Plan Pruner::plan(Layers const& layers) const {
  Plan now;
  for (auto const& volume : catalogue_.all()) {
    Record const& record = volume->record;
    if (!volume->unreadable.empty() || record.stack.empty()) continue;
    if (!layers.empty() && !pool::has_any(record.stack, layers)) continue;
    bool idle = record.kind == Kind::volume && catalogue_.counts(record.name).empty();
    Stack stack = idle ? layers_of(record) : record.stack;
    now.stacks.emplace(stack.front(), stack);
    if (record.kind == Kind::volume) now.volumes.push_back(volume);
  }
  return now;
}

// Whether directories have to stay because one of the volumes is mounted. Nothing if they may
// be in use by somebody unknown.
std::optional<bool> Pruner::files_only(Plan const& plan) {
  bool mounted = false;
  for (auto const& volume : plan.volumes) {
    Record const& record = volume->record;
    bool idle = plan.stacks.count(record.upper) != 0;
    if (idle && backend_.use_of(pool_.layer(record.upper)) != backend::Use::free) {
      return std::nullopt;
    }
    mounted = mounted || !idle;
  }
  return mounted;
}

// A power cut must not lose what hides the files that go.
void Pruner::sync() const {
  std::uint64_t before = pool_.disk_errors().count();
  if (pool_.disk_errors().sync() != before) throw std::runtime_error("the disk reports errors");
}

std::uint64_t Pruner::prune(Tops const& tops, Layers const& layers, std::stop_token const& stop) {
  LayerWatch::Watch watch(catalogue_.watch(), layers);
  if (catalogue_.uses(layers)) return 0;
  // From here on the watch notices whoever begins to use the layers. Since the round began there
  // may be others: a new snapshot of an unchanged volume shows what the volume hides by now.
  Plan const now = plan(layers);
  auto const through = now.seen_through();
  for (auto const& layer : layers) {
    auto found = through.find(layer);
    if (found == through.end() || found->second != tops) return 0;
  }
  auto keep_directories = files_only(now);
  if (!keep_directories) return 0;
  std::vector<fs::path> trees;
  for (auto const& layer : layers) trees.push_back(pool_.tree(layer));
  tree::HiddenEntries hidden(trees, stop);
  std::map<std::string, StackView> views;  // by the topmost layer
  for (auto const& top : tops) views.try_emplace(top, points_, backend_, now.stacks.at(top));
  fs::path bin = pool_.staging() / ("hidden-" + sys::random_id());
  bool ended = false;
  try {
    while (!ended && hidden.find_some(views.begin()->second.path())) {
      for (auto const& [top, view] : views) {
        hidden.leave_out_shown_by(view.path(), pool_.tree(top));
      }
      hidden.leave_out_data();
      if (hidden.empty()) continue;
      sync();
      sys::ensure_dir(bin);
      ended = !move_all(hidden, bin, *keep_directories, watch, stop);
    }
  } catch (...) {
    watch.release();
    trash_.drop(bin, TrashKind::other);
    throw;
  }
  if (sys::exists(bin)) trash_.drop(bin, TrashKind::other);
  if (hidden.moved_bytes() > 0) {
    for (auto const& layer : layers) disk_use_.forget(layer);
    sys::log_info("gave back " + std::to_string(hidden.moved_bytes()) + " bytes in " +
                  sys::counted(layers.size(), "layer") + " that nothing shows any more");
  }
  if (!ended && hidden.complete()) {
    for (auto const& layer : layers) done_[layer] = tops;
  }
  return hidden.moved_bytes();
}

}  // namespace snapclone::volume
