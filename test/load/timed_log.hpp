// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace snapclone::test {

// What a process writes to a pipe, line by line, and when each line came. Safe from every thread.
class TimedLog {
 public:
  TimedLog();
  ~TimedLog();  // no process has the pipe open any more
  TimedLog(TimedLog const&) = delete;
  TimedLog& operator=(TimedLog const&) = delete;

  int descriptor() const { return writing_.get(); }  // for the process to write to

  struct Line {
    std::chrono::steady_clock::time_point time;
    std::string text;
  };
  std::vector<Line> lines() const;
  // The number of lines that begin so and have that part.
  std::size_t count(std::string const& begin, std::string const& part) const;
  // The newest lines in which the word stands.
  std::string about(std::string const& word) const;
  // Reports of sanitizers, and errors. A refusal is none.
  std::string complaints() const;

 private:
  void read();

  sys::Fd reading_;
  sys::Fd writing_;
  mutable std::mutex mutex_;  // guards the lines
  std::vector<Line> lines_;
  std::thread reader_;
};

}  // namespace snapclone::test
