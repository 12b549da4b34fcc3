// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

// What was measured, as JSON objects on standard output, one a line, for bench/report.py. It knows
// which series are compared with which, and what is aimed at; nothing here judges.
namespace snapclone::bench {

struct Series {
  std::string name;                  // "mount"
  std::string unit;                  // "us", "ms", "kB", "per second"
  std::map<std::string, double> at;  // where: {"bytes": 600e6, "files": 60}
  std::vector<double> values = {};   // in the order of measuring
};

void publish(Series const& series);

// A line for the person who waits, on standard error.
void progress(std::string const& line);

class Stopwatch {
 public:
  double us() const { return std::chrono::duration<double, std::micro>(now() - start_).count(); }
  double ms() const { return us() / 1000; }

 private:
  using Clock = std::chrono::steady_clock;
  static Clock::time_point now() { return Clock::now(); }

  Clock::time_point start_ = now();
};

// How long a call takes.
template <class Work>
double us(Work const& work) {
  Stopwatch watch;
  work();
  return watch.us();
}

}  // namespace snapclone::bench
