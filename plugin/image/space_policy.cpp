// SPDX-License-Identifier: Apache-2.0
#include "image/space_policy.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <string>

namespace snapclone::image {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMega = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiga = std::uint64_t{1} << 30U;

constexpr std::uint64_t kNear = 4 * kGiga;  // above the margin: looks and trims are hurried
constexpr std::uint64_t kVeryNear = kGiga;
constexpr std::uint64_t kLeastReserve = 32 * kMega;

constexpr std::uint64_t kLargestBallast = 4 * kGiga;
constexpr std::uint64_t kMuchDirty = 16 * kMega;
// An xfs keeps a 144th of its size for its own growth, and counts that as used.
constexpr std::uint64_t kOwnGrowth = 144;

constexpr std::uint64_t kLeastPiece = 64 * kMega;
constexpr std::uint64_t kLargestPiece = 16 * kGiga;

constexpr std::uint64_t kMuchFreed = 64 * kMega;
constexpr std::uint64_t kGrowth = 4 * kMega;
constexpr std::uint64_t kWorthIt = kMega;
constexpr auto kQuiet = 5s;
constexpr auto kHurriedPause = 5s;
constexpr auto kShortPause = 10s;
constexpr auto kRegularPause = 10min;
constexpr auto kLongestPause = 6h;
constexpr unsigned kMostDoublings = 10;

std::uint64_t without(std::uint64_t from, std::uint64_t less) {
  return from - std::min(from, less);
}

std::uint64_t kilobytes_of(std::string_view meminfo, std::string_view name) {
  std::string key = "\n" + std::string(name) + ":";
  auto found = meminfo.find(key);
  std::uint64_t number = 0;
  if (found != std::string_view::npos) {
    meminfo.remove_prefix(found + key.size());
    meminfo.remove_prefix(std::min(meminfo.find_first_not_of(' '), meminfo.size()));
    auto const* end = meminfo.data() + meminfo.size();
    if (std::from_chars(meminfo.data(), end, number).ec == std::errc{}) return number;
  }
  throw std::runtime_error("/proc/meminfo has no number for " + std::string(name));
}

std::uint64_t waste(SpaceFigures const& now) { return without(now.on_host, now.used()); }

}  // namespace

std::uint64_t SpaceFigures::used() const { return without(size, free); }

std::uint64_t margin(std::uint64_t host_size) {
  return std::min(std::max(kGiga, host_size / 50), host_size / 10);
}

std::uint64_t above_margin(SpaceFigures const& now) {
  return without(now.host_free + now.ballast, margin(now.host_size));
}

std::uint64_t promised(SpaceFigures const& now) {
  return std::max(now.dirty, without(now.used(), now.on_host + now.size / kOwnGrowth));
}

std::uint64_t offer(SpaceFigures const& now) {
  return std::min(without(above_margin(now), promised(now)), now.free);
}

std::uint64_t wanted_ballast(SpaceFigures const& now) {
  if (now.host_free < promised(now)) return 0;
  std::uint64_t wanted = std::min(margin(now.host_size) / 2, kLargestBallast);
  return now.ballast != 0 || above_margin(now) >= promised(now) ? wanted : 0;
}

std::uint64_t least_reserve(SpaceFigures const& now) {
  return std::min({kLeastReserve, now.size / 20, now.free});
}

std::uint64_t reserve(SpaceFigures const& now) {
  return std::max(now.free - offer(now), least_reserve(now));
}

std::chrono::milliseconds until_next_look(SpaceFigures const& now) {
  std::uint64_t above = above_margin(now);
  if (above == 0 && now.ballast != 0 && now.dirty >= kMuchDirty) return 20ms;
  // Nothing can be promised if nothing is offered.
  if (above < kVeryNear && offer(now) != 0) return 50ms;
  return above < kNear || now.dirty >= kMuchDirty ? 250ms : 1000ms;
}

bool must_write_out(SpaceFigures const& now) {
  if (now.dirty > now.host_free / 8) return true;
  return above_margin(now) == 0 && now.dirty >= kMuchDirty;
}

std::uint64_t next_piece(std::uint64_t last, std::chrono::nanoseconds took) {
  if (took > 50ms) return std::max(last / 2, kLeastPiece);
  if (took < 5ms) return std::min(last * 2, kLargestPiece);
  return last;
}

TrimPlan::TrimPlan(Clock::time_point now) : last_trim_(now - kShortPause), last_growth_(now) {}

void TrimPlan::saw(SpaceFigures const& figures, Clock::time_point now) {
  if (!last_) {
    freed_ = waste(figures);  // by whoever had the image before
  } else {
    freed_ += without(last_->used(), figures.used());
    if (without(figures.used(), last_->used()) > kGrowth) last_growth_ = now;
  }
  last_ = figures;
}

bool TrimPlan::is_due(Clock::time_point now) const {
  if (!last_) return false;
  auto since_last = now - last_trim_;
  if (since_last >= pause(kRegularPause, kLongestPause)) return true;
  std::uint64_t above = above_margin(*last_);
  bool much_freed = freed_ >= kMuchFreed;
  if (above < kNear && much_freed) return since_last >= kHurriedPause;
  if (above == 0) return since_last >= pause(kHurriedPause, kRegularPause);
  bool quiet = now - last_growth_ >= kQuiet;
  return much_freed && quiet && since_last >= pause(kShortPause, kRegularPause);
}

void TrimPlan::begin() {
  if (last_) before_ = *last_;
  freed_ = 0;
}

void TrimPlan::end(Clock::time_point now) {
  bool shrunk = last_ && last_->on_host + kWorthIt <= before_.on_host;
  bool gave_back = shrunk || (last_ && waste(*last_) + kWorthIt <= waste(before_));
  in_vain_ = gave_back ? 0 : in_vain_ + 1;
  last_trim_ = now;
}

TrimPlan::Clock::duration TrimPlan::pause(Clock::duration shortest, Clock::duration longest) const {
  return std::min(shortest * (1U << std::min(in_vain_, kMostDoublings)), longest);
}

std::uint64_t dirty_bytes(std::string_view meminfo) {
  return (kilobytes_of(meminfo, "Dirty") + kilobytes_of(meminfo, "Writeback")) * 1024;
}

}  // namespace snapclone::image
