// SPDX-License-Identifier: Apache-2.0
#include "fault/campaign.hpp"

#include "fault/containers_dev.hpp"
#include "kit/image_media.hpp"
#include "kit/requirements.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <iostream>
#include <memory>
#include <numeric>
#include <stdexcept>

namespace snapclone::test {
namespace {

using Numbers = Sampling::Numbers;

constexpr std::size_t kMostCalls = 500;  // of which every one is struck: more are repetition
constexpr std::size_t kFarther = 61;     // between two calls of a start, in the short form

// Some of 1 to `count`, evenly spread.
Numbers some_of(std::size_t count, std::size_t wanted, std::size_t salt) {
  Numbers numbers;
  wanted = std::min(wanted, count);
  for (std::size_t i = 0; i < wanted; ++i) {
    numbers.push_back((i * count / wanted + salt * 7) % count + 1);
  }
  return numbers;
}

}  // namespace

std::vector<Ground> const& grounds() {
  static std::vector<Ground> const all = {
      {"overlay on tmpfs", "tmpfs", "overlay"},
      {"overlay on ext4", "ext4", "overlay"},
      {"btrfs", "btrfs", "btrfs"},
      {"copy on tmpfs", "tmpfs", "copy"},
      {"xfs in an image", "xfs", "overlay", true, true},
  };
  return all;
}

Tally& Tally::operator+=(Tally const& other) {
  calls += other.calls;
  kills += other.kills;
  engine_ends += other.engine_ends;
  second_kills += other.second_kills;
  failures += other.failures;
  refused += other.refused;
  left += other.left;
  return *this;
}

std::string described(Tally const& tally) {
  auto number = [](std::size_t value, std::string const& what) {
    return value == 0 ? "" : std::to_string(value) + " " + what + "; ";
  };
  std::string text = number(tally.calls, "calls") + number(tally.kills, "kills") +
                     number(tally.engine_ends, "kills with the end of the engine") +
                     number(tally.second_kills, "second kills") +
                     number(tally.failures, "failures") +
                     number(tally.refused, "of them answered with an error") +
                     number(tally.left, "of them with something left until the next start");
  return text.empty() ? "nothing" : text.substr(0, text.size() - 2);
}

void Campaign::kills() {
  Undisturbed undisturbed = observe(scenario_, ground_, new_directory(), false);
  tally_.calls = undisturbed.calls.size();
  Numbers all = chosen(undisturbed, Effect::change);
  all.push_back(tally_.calls + 1);
  for (std::size_t at : all) {
    for (bool engine : everything_ ? std::vector{false, true} : std::vector{at % 3 == 0}) {
      bool together = engine;
      bool struck = guarded([&] {
        return try_kill(scenario_, ground_, new_directory(), {at, engine, together, 0},
                        undisturbed);
      });
      if (struck || at > tally_.calls) ++(engine ? tally_.engine_ends : tally_.kills);
    }
  }
}

void Campaign::second_kills() {
  Undisturbed undisturbed = observe(scenario_, ground_, new_directory(), false);
  std::size_t step = everything_ ? 1 : kFarther;
  for (std::size_t at : some_of(undisturbed.calls.size(), everything_ ? 3 : 1, salt_ + 3)) {
    auto again = everything_ ? 1 : 1 + salt_ % 17;
    while (guarded([&] {
      bool engine = again % 2 == 0;
      return try_kill(scenario_, ground_, new_directory(), {at, engine, false, again}, undisturbed);
    })) {
      ++tally_.second_kills;
      again += step;
    }
  }
}

void Campaign::failures() {
  Undisturbed undisturbed = observe(scenario_, ground_, new_directory(), true);
  for (auto effect : {Effect::change, Effect::look}) {
    for (std::size_t at : chosen(undisturbed, effect)) fail(at, undisturbed);
  }
}

// The numbers of the calls with that effect that are struck.
Numbers Campaign::chosen(Undisturbed const& undisturbed, Effect effect) const {
  if (!everything_) return sampling_.of(undisturbed.calls, effect, salt_);
  Numbers all;
  for (std::size_t at = 1; at <= undisturbed.calls.size(); ++at) {
    if (undisturbed.calls[at - 1].effect == effect) all.push_back(at);
  }
  if (all.size() <= kMostCalls) return all;
  Numbers some = some_of(all.size(), kMostCalls, salt_);
  for (std::size_t& at : some) at = all[at - 1];
  return some;
}

void Campaign::fail(std::size_t at, Undisturbed const& undisturbed) {
  Tracer::Seen const& call = undisturbed.calls[at - 1];
  Numbers errors(everything_ ? call.errors.size() : 1);
  std::iota(errors.begin(), errors.end(), everything_ ? 0 : sampling_.error(call));
  for (std::size_t error : errors) {
    guarded([&] {
      Failure failure{at, error, waits_for_second_try(at, undisturbed)};
      Outcome outcome = try_failure(scenario_, ground_, new_directory(), failure, undisturbed);
      if (!outcome.struck) return false;
      ++tally_.failures;
      if (outcome.refused) ++tally_.refused;
      if (!outcome.left.empty()) ++tally_.left;
      return true;
    });
  }
}

// That takes 5 seconds, so it is seen now and then.
bool Campaign::waits_for_second_try(std::size_t at, Undisturbed const& undisturbed) const {
  static int tries = 2;
  if (!undisturbed.calls[at - 1].background) return false;
  return everything_ ? at % 10 == 0 : tries-- > 0;
}

// Returns what the attempt does; false if it broke a promise.
template <class Work>
bool Campaign::guarded(Work const& attempt) {
  if (problems_ >= kMostFailures) return false;
  try {
    return attempt();
  } catch (std::exception const& error) {
    ++problems_;
    BOOST_ERROR(error.what());
    std::cout << std::flush;  // whoever ends the run too early sees it, too
    return false;
  }
}

// On the ground's file system, which is kept until another ground's is needed.
fs::path Campaign::new_directory() const {
  static std::unique_ptr<Media> media;
  static std::unique_ptr<ContainersDev> dev;
  static Ground const* of = nullptr;
  static int number = 0;
  if (of != &ground_) {
    dev.reset();
    media.reset();
    media = ground_.in_image ? std::make_unique<HostMedia>()
                             : std::make_unique<Media>(ground_.filesystem);
    if (ground_.in_image) dev = std::make_unique<ContainersDev>();
    of = &ground_;
  }
  return media->path / std::to_string(++number);
}

}  // namespace snapclone::test
