// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/ballast.hpp"
#include "image/bounded_xfs.hpp"
#include "image/space_policy.hpp"
#include "sys/background_thread.hpp"
#include "sys/file.hpp"
#include "sys/mutex.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>

// The space of an image that is a sparse file. Its xfs may be larger than what the host's disk has
// left. If xfs offered all of that, write(2) would succeed and the data be lost at write-back. So
// it is told again and again to offer no more than the host has (XFS_IOC_SET_RESBLKS), and freed
// space is given back to the host (FITRIM). All numbers are bytes.
namespace snapclone::image {

namespace fs = boost::filesystem;

// For Status and metrics: what the last look found.
struct SpaceReport {
  std::uint64_t size = 0;
  std::uint64_t on_host = 0;
  std::uint64_t offered = 0;
  std::string last_trim;  // when it ended, RFC 3339; "" before the first
};

// Follows the host's free space, on a thread of its own, while the object lives. Another thread, at
// low priority, writes out what is dirty, gives back what was freed and takes ballast: all that can
// take long, and the first must not wait for it. Safe from every thread.
//
// Data that write(2) accepted fits on the host, with the margin to spare. It is lost only if others
// take more than the margin before the kernel has written it out. The ballast then makes room for
// most of it. What the kernel tried to write in the moment before is lost, and syncfs(2) reports
// that. An image whose space is reserved is safe from this, unless somebody trims it.
class Space {
 public:
  enum class Looks { by_itself, by_hand };  // the latter for tests: no threads

  // `image` is the image's file and `mount_point` where its xfs is mounted; both are opened here,
  // and needed no more. With `reserved` the image has all its space: nothing is trimmed, and
  // nothing bounded while the image has it. When the constructor returns the xfs is bounded. Throws
  // std::runtime_error.
  Space(fs::path const& image, fs::path const& mount_point, bool reserved,
        Looks looks = Looks::by_itself);
  Space(Space const&) = delete;
  Space& operator=(Space const&) = delete;
  // The destructor ends the threads, soon. The xfs stays bounded as it is.

  SpaceReport report() const;

  // Why a Create would find no room: a sentence with the ways out; "" if there is some.
  std::string no_room() const;

  // Looks and bounds at once. If that fails the pool offers nothing until a look succeeds, unless
  // the image is reserved; the log says so once. The threads, volume moves and tests call it.
  void round();

  // Gives freed space back at once, and returns when that is done or `stop` is requested.
  void trim(std::stop_token const& stop = {});

 private:
  using Clock = TrimPlan::Clock;

  void look_and_bound() REQUIRES(bounding_);
  void offer_nothing();
  void follow(std::stop_token const& stop);
  void tidy(std::stop_token const& stop);
  void wait_for_work(std::stop_token const& stop);
  bool wants_ballast() const REQUIRES(mutex_);
  void write_out();
  void trim_pieces(std::stop_token const& stop);
  void rest_and_write_out(Clock::duration duration, std::stop_token const& stop);
  SpaceFigures figures() const;

  BoundedXfs const xfs_;
  bool const reserved_;
  Ballast ballast_;

  sys::Mutex bounding_;  // one look at a time; taken before the other
  bool failed_ GUARDED_BY(bounding_) = false;
  bool trimmed_ GUARDED_BY(bounding_) = false;  // though reserved; the log says so
  std::atomic<bool> trim_failed_ = false;       // the log says so

  mutable sys::Mutex mutex_;
  std::condition_variable_any changed_;
  SpaceFigures figures_ GUARDED_BY(mutex_);
  SpaceReport report_ GUARDED_BY(mutex_);
  std::string problem_ GUARDED_BY(mutex_);  // of the last look
  TrimPlan plan_ GUARDED_BY(mutex_){Clock::now()};
  std::optional<sys::BackgroundThread> tidier_;  // these last: they use all the others
  std::optional<sys::BackgroundThread> follower_;
};

}  // namespace snapclone::image
