// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/protocol.hpp"
#include "sys/mutex.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace snapclone::api {

// What stands beside the counters when they are written.
struct Gauges {
  std::string version;
  std::string backend;
  std::uint64_t volumes = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t unreadable = 0;
  std::uint64_t mounted_volumes = 0;
  std::uint64_t live_clones = 0;
  std::uint64_t layers = 0;
  std::uint64_t trash = 0;
  std::uint64_t volume_bytes = 0;
  std::uint64_t clone_bytes = 0;
  std::uint64_t measured_ago = 0;  // seconds; of the two above
  std::uint64_t pool_size_bytes = 0;
  std::uint64_t pool_free_bytes = 0;
};

// Counts requests for Prometheus. Safe from every thread; counting takes less than a microsecond.
class Metrics {
 public:
  void count(Verb verb, bool succeeded, std::chrono::nanoseconds duration);
  // A Mount whose client had gone.
  void count_undone();

  // Prometheus' text format, version 0.0.4. Durations and their buckets are in seconds.
  std::string text(Gauges const& gauges) const;

 private:
  static constexpr std::array<double, 9> kBuckets = {0.0005, 0.001, 0.002, 0.005, 0.01,
                                                     0.1,    1,     10,    60};
  struct Counts {
    std::uint64_t succeeded = 0;
    std::uint64_t failed = 0;
    double seconds = 0;
    std::array<std::uint64_t, kBuckets.size()> within = {};  // not cumulative
  };

  mutable sys::Mutex mutex_;
  std::array<Counts, kVerbs> counts_ GUARDED_BY(mutex_);  // by verb
  std::uint64_t undone_ GUARDED_BY(mutex_) = 0;
};

}  // namespace snapclone::api
