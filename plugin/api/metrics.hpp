// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/protocol.hpp"
#include "sys/mutex.hpp"
#include "volume/description.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace snapclone::api {

// Counts requests for Prometheus. Safe from every thread; counting takes less than a microsecond.
class Metrics {
 public:
  void count(Verb verb, bool succeeded, std::chrono::nanoseconds duration);
  // A Mount whose client had gone.
  void count_undone();

  // The counters, and gauges of what there is, in Prometheus' text format, version 0.0.4. Durations
  // and their buckets are in seconds.
  std::string text(volume::Totals const& totals) const;

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
