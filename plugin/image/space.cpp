// SPDX-License-Identifier: Apache-2.0
#include "image/space.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace snapclone::image {
namespace {

using namespace std::chrono_literals;

// The fault tests tell threads apart by these.
constexpr int kFollower = 1;
constexpr int kTidier = 12;
constexpr auto kFreeing = 2s;  // in which xfs frees the blocks of what was deleted
constexpr std::chrono::milliseconds kRetry{250};
constexpr std::chrono::milliseconds kNobodyTakesIt = 1s;
constexpr std::uint64_t kNoRoom = std::uint64_t{16} << 20U;

std::string no_room_on_host(fs::path const& image, SpaceFigures const& now) {
  std::uint64_t kept = margin(now.host_size);
  kept -= std::min(kept, now.ballast);
  return "there is no room for it: the pool's image " + image.string() +
         " may take no more of the host's disk. The file system of " +
         image.parent_path().string() + " has " + sys::bytes_text(now.host_free) +
         " free, of which " + sys::bytes_text(kept) +
         " are kept for the host. Free space there, remove volumes or snapshots that nobody needs, "
         "or enlarge that disk";
}

std::string no_room_inside(fs::path const& image, SpaceFigures const& now) {
  return "there is no room for it: the pool's image " + image.string() + " of " +
         sys::bytes_text(now.size) +
         " is full. Remove volumes or snapshots that nobody needs, or set IMAGE to a larger size";
}

}  // namespace

Space::Space(fs::path const& image, fs::path const& mount_point, bool reserved, Looks looks)
    : xfs_(image, mount_point), reserved_(reserved), ballast_(image.parent_path()) {
  try {
    sys::MutexLock bounding(bounding_);
    look_and_bound();
  } catch (std::exception const&) {
    offer_nothing();
    throw;
  }
  if (!reserved_) ballast_.take(wanted_ballast(figures()));
  if (looks == Looks::by_hand) return;
  if (!reserved_) {
    tidier_.emplace(kTidier, [this](std::stop_token const& stop) { tidy(stop); });
  }
  follower_.emplace(kFollower, [this](std::stop_token const& stop) { follow(stop); });
}

SpaceReport Space::report() const {
  sys::MutexLock lock(mutex_);
  return report_;
}

std::string Space::no_room() const {
  sys::MutexLock lock(mutex_);
  if (!problem_.empty()) return problem_;
  if (report_.offered >= kNoRoom) return "";
  bool full = reserved_ || figures_.free < kNoRoom + least_reserve(figures_);
  return full ? no_room_inside(xfs_.image(), figures_) : no_room_on_host(xfs_.image(), figures_);
}

void Space::round() {
  sys::MutexLock bounding(bounding_);
  std::string problem;
  try {
    look_and_bound();
  } catch (std::exception const& error) {
    offer_nothing();
    problem = std::string(
                  "cannot find out how much room there is on the host's disk, so the pool "
                  "offers none: ") +
              error.what();
  }
  bool failed = !problem.empty();
  if (failed && !failed_) sys::log_error(problem + "; it tries again and again");
  if (!failed && failed_) sys::log_info("the room on the host's disk is known again");
  failed_ = failed;
  sys::MutexLock lock(mutex_);
  problem_ = std::move(problem);
}

void Space::look_and_bound() {
  std::uint64_t ballast = ballast_.size();  // before the look, during which some may be taken
  SpaceFigures now = xfs_.look();
  now.ballast = ballast;
  // fstrim(8) on the host may have given back what an image had reserved.
  bool whole = reserved_ && now.on_host >= now.size;
  if (reserved_ && !whole && !std::exchange(trimmed_, true)) {
    sys::log_warning("somebody has given back space that the image " + xfs_.image().string() +
                     " had reserved, as fstrim does: until the next start it takes space when it "
                     "needs it");
  }
  std::uint64_t offered = whole ? xfs_.unbound(now) : xfs_.bound(now);
  if (!reserved_ && wanted_ballast(now) == 0) ballast_.drop();
  {
    sys::MutexLock lock(mutex_);
    figures_ = now;
    plan_.saw(now, Clock::now());
    report_.size = now.size;
    report_.on_host = now.on_host;
    report_.offered = offered;
  }
  changed_.notify_all();
}

// Never fails: the xfs stays bounded as it was then.
void Space::offer_nothing() {
  if (reserved_) return;
  try {
    xfs_.offer_nothing();
    sys::MutexLock lock(mutex_);
    report_.offered = 0;
  } catch (std::exception const& error) {
    sys::log_debug(error.what());  // the caller says what has failed before
  }
}

void Space::follow(std::stop_token const& stop) {
  while (!stop.stop_requested()) {
    std::chrono::milliseconds pause = kRetry;
    {
      sys::MutexLock lock(mutex_);
      if (problem_.empty()) {
        bool whole = figures_.on_host >= figures_.size;
        pause = reserved_ && whole ? kNobodyTakesIt : until_next_look(figures_);
      }
    }
    sys::rest(pause, stop);
    if (!stop.stop_requested()) round();
  }
}

void Space::tidy(std::stop_token const& stop) {
  for (;;) {
    wait_for_work(stop);
    if (stop.stop_requested()) return;
    SpaceFigures now;
    bool trim_now = false;
    {
      sys::MutexLock lock(mutex_);
      now = figures_;
      trim_now = plan_.is_due(Clock::now());
    }
    if (must_write_out(now)) write_out();
    if (trim_now) trim(stop);
    ballast_.take(wanted_ballast(figures()));
    // A look later, so that nothing is done twice for one.
    sys::rest(kRetry, stop);
  }
}

void Space::wait_for_work(std::stop_token const& stop) {
  sys::MutexLock lock(mutex_);
  changed_.wait(mutex_, stop, [this]() REQUIRES(mutex_) {
    return must_write_out(figures_) || plan_.is_due(Clock::now()) || wants_ballast();
  });
}

bool Space::wants_ballast() const {
  return ballast_.is_possible() && figures_.ballast == 0 && wanted_ballast(figures_) != 0;
}

void Space::write_out() {
  int code = xfs_.write_out();
  if (code == 0) return;
  sys::log_error("the image " + xfs_.image().string() + " has lost a write: " +
                 sys::errno_text(code) + ". The kernel's log (dmesg) says more");
}

void Space::trim(std::stop_token const& stop) {
  if (reserved_) return;
  {
    sys::MutexLock lock(mutex_);
    plan_.begin();
  }
  try {
    trim_pieces(stop);
    trim_failed_ = false;
  } catch (std::exception const& error) {
    if (!trim_failed_.exchange(true)) {
      sys::log_warning(std::string(error.what()) + "; it will be tried again");
    }
  }
  round();
  sys::MutexLock lock(mutex_);
  plan_.end(Clock::now());
  if (!trim_failed_ && !stop.stop_requested()) report_.last_trim = sys::now_rfc3339();
}

// What was deleted is free only after the log that says so was written, and the rest is done in
// the background.
void Space::trim_pieces(std::stop_token const& stop) {
  write_out();
  rest_and_write_out(kFreeing, stop);
  write_out();
  std::uint64_t piece = kFirstPiece;
  for (std::uint64_t begin = 0; !stop.stop_requested();) {
    auto started = Clock::now();
    if (!xfs_.trim(begin, piece)) return;
    auto took = Clock::now() - started;
    begin += piece;
    piece = next_piece(piece, took);
    rest_and_write_out(above_margin(figures()) == 0 ? took : 4 * took, stop);
  }
}

void Space::rest_and_write_out(Clock::duration duration, std::stop_token const& stop) {
  for (auto end = Clock::now() + duration; Clock::now() < end && !stop.stop_requested();) {
    sys::rest(std::min<Clock::duration>(end - Clock::now(), kRetry), stop);
    if (must_write_out(figures())) write_out();
  }
}

SpaceFigures Space::figures() const {
  sys::MutexLock lock(mutex_);
  return figures_;
}

}  // namespace snapclone::image
