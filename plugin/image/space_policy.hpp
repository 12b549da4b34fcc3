// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

// What to do about the space of an image, from figures alone: pure functions. All sizes are bytes.
namespace snapclone::image {

// What one look at the host, the memory and the xfs finds.
struct SpaceFigures {
  std::uint64_t host_size = 0;  // the file system that holds the image
  std::uint64_t host_free = 0;  // there, as df shows it: what is kept for root comes on top
  std::uint64_t ballast = 0;    // held there by this process (Ballast), and not in host_free
  std::uint64_t on_host = 0;    // what the image takes there
  std::uint64_t dirty = 0;      // Dirty and Writeback of /proc/meminfo
  std::uint64_t size = 0;       // of the xfs, with its log
  std::uint64_t free = 0;       // in it, whether it offers that or not

  std::uint64_t used() const;
};

// What is left free on the host's disk, for the host: 2 % of it, at least 1 GiB, but never more
// than a tenth.
std::uint64_t margin(std::uint64_t host_size);

// What the host has above the margin. The ballast is a part of the margin.
std::uint64_t above_margin(SpaceFigures const& now);

// What was promised and may not be taken on the host yet: dirty pages, or space that applications
// allocated in advance. (Freed space that the host does not have back yet hides as much of the
// latter. So it is trimmed in time: TrimPlan.)
std::uint64_t promised(SpaceFigures const& now);

// What the xfs may offer: what the host has above the margin, less what was promised.
std::uint64_t offer(SpaceFigures const& now);

// What the ballast should be: half of the margin; nothing when the host needs it for what was
// promised, because somebody has taken too much between two looks.
std::uint64_t wanted_ballast(SpaceFigures const& now);

// What xfs keeps back by itself, so that it can end what it has begun.
std::uint64_t least_reserve(SpaceFigures const& now);

// How much of its free space the xfs must keep back, so that it offers no more than offer().
std::uint64_t reserve(SpaceFigures const& now);

// How long the figures may be trusted. While they are, somebody else may fill the host's disk; the
// margin covers what they write meanwhile.
std::chrono::milliseconds until_next_look(SpaceFigures const& now);

// Whether what is dirty should take its place on the host now, before somebody else does: the host
// is below its margin, or could not take eight times as much.
bool must_write_out(SpaceFigures const& now);

// How much of the xfs to trim at once. While one piece is trimmed, writes to it wait, and to all
// of the image for moments. So no piece should take long.
inline constexpr std::uint64_t kFirstPiece = std::uint64_t{1} << 30U;
std::uint64_t next_piece(std::uint64_t last, std::chrono::nanoseconds took);

// When to give space back to the host: soon after much was freed and while little is written, at
// once while the host has little left, and now and then in any case. A trim that gave nothing back
// doubles the pause to the next. Not safe from several threads.
class TrimPlan {
 public:
  using Clock = std::chrono::steady_clock;
  explicit TrimPlan(Clock::time_point now);

  void saw(SpaceFigures const& figures, Clock::time_point now);
  bool is_due(Clock::time_point now) const;
  // A trim begins, and has ended: between them, last of all, saw() was told what it has changed.
  void begin();
  void end(Clock::time_point now);

 private:
  Clock::duration pause(Clock::duration shortest, Clock::duration longest) const;

  std::optional<SpaceFigures> last_;
  SpaceFigures before_;      // a trim
  std::uint64_t freed_ = 0;  // since the last trim began
  unsigned in_vain_ = 0;     // trims, since one gave something back
  Clock::time_point last_trim_;
  Clock::time_point last_growth_;
};

// Dirty and Writeback, from the text of /proc/meminfo. Throws std::runtime_error if they are
// missing.
std::uint64_t dirty_bytes(std::string_view meminfo);

}  // namespace snapclone::image
