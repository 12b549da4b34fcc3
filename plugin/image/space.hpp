// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/background_thread.hpp"
#include "sys/file.hpp"
#include "sys/mutex.hpp"

#include <cstdint>
#include <optional>
#include <string>

// The space of an image that is a sparse file. Its xfs may be larger than what the host's disk has
// left. If xfs offered all of that, write(2) would succeed and the data be lost at write-back. So
// it is told again and again to offer no more than the host has (XFS_IOC_SET_RESBLKS), and freed
// space is given back to the host (FITRIM). All numbers are bytes.
namespace snapclone::image {

namespace fs = boost::filesystem;

// What one look at the host, the memory and the xfs finds.
struct SpaceFigures {
  std::uint64_t host_size = 0;  // the file system that holds the image
  std::uint64_t host_free = 0;  // there, for root
  std::uint64_t on_host = 0;    // what the image takes there
  std::uint64_t dirty = 0;      // Dirty and Writeback of /proc/meminfo
  std::uint64_t size = 0;       // of the xfs
  std::uint64_t free = 0;       // in it, whether it offers that or not
};

// What is left free on the host's disk, for the host.
std::uint64_t margin(std::uint64_t host_size);

// What the xfs may offer: what the host has above the margin, less what was promised and is not
// taken there yet. That is dirty pages, and space that applications allocated in advance.
std::uint64_t offer(SpaceFigures const& now);

// For Status and metrics.
struct SpaceReport {
  std::uint64_t size = 0;
  std::uint64_t on_host = 0;
  std::uint64_t offered = 0;
  std::string last_trim;  // RFC 3339; "" before the first
};

// Follows the host's free space, and trims, on a thread of its own at low priority, for as long as
// the object lives. Safe from every thread.
class Space {
 public:
  // `image` is the image's file and `mount_point` where its xfs is mounted; both are opened here,
  // and needed no more. With `reserved` the image has all its space: nothing is bounded and nothing
  // trimmed. When the constructor returns the xfs is bounded. Throws sys::Error.
  Space(fs::path const& image, fs::path const& mount_point, bool reserved);

  // Reads nothing but what the last look found.
  SpaceReport report() const;

  // Why a Create would find no room: a sentence with the ways out; "" if there is some.
  std::string no_room() const;

  // Looks once, now. For tests.
  void round();

 private:
  void run(std::stop_token const& stop);

  sys::Fd image_;
  sys::Fd root_;
  bool const reserved_;
  mutable sys::Mutex mutex_;
  SpaceReport report_ GUARDED_BY(mutex_);
  std::optional<sys::BackgroundThread> thread_;  // last: it uses all the others
};

}  // namespace snapclone::image
