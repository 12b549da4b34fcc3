// SPDX-License-Identifier: Apache-2.0
#include "load/timed_log.hpp"

#include "sys/error.hpp"

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

constexpr std::size_t kQuotedLines = 40;

}  // namespace

TimedLog::TimedLog() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) sys::fail("make", "a pipe");
  reading_ = sys::Fd(ends[0]);
  writing_ = sys::Fd(ends[1]);
  reader_ = std::thread([this] { read(); });
}

TimedLog::~TimedLog() {
  writing_ = sys::Fd();  // which ends the reader
  reader_.join();
}

void TimedLog::read() {
  std::string pending;
  std::array<char, 65536> bytes{};
  for (;;) {
    ssize_t size = ::read(reading_.get(), bytes.data(), bytes.size());
    if (size <= 0) return;
    auto now = std::chrono::steady_clock::now();
    pending.append(bytes.data(), static_cast<std::size_t>(size));
    std::lock_guard lock(mutex_);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = pending.find('\n', begin)) != std::string::npos;) {
      lines_.push_back({now, pending.substr(begin, end - begin)});
      begin = end + 1;
    }
    pending.erase(0, begin);
  }
}

std::vector<TimedLog::Line> TimedLog::lines() const {
  std::lock_guard lock(mutex_);
  return lines_;
}

std::size_t TimedLog::count(std::string const& begin, std::string const& part) const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(lines_.begin(), lines_.end(), [&](Line const& line) {
        return line.text.rfind(begin, 0) == 0 && line.text.find(part) != std::string::npos;
      }));
}

std::string TimedLog::about(std::string const& word) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string const*> found;
  for (auto line = lines_.rbegin(); line != lines_.rend() && found.size() < kQuotedLines; ++line) {
    if (line->text.find(word) != std::string::npos) found.push_back(&line->text);
  }
  std::string text;
  for (auto line = found.rbegin(); line != found.rend(); ++line) text += **line + "\n";
  return text;
}

std::string TimedLog::complaints() const {
  std::lock_guard lock(mutex_);
  std::string text;
  for (auto const& line : lines_) {
    for (auto const* sign : {"Sanitizer", "runtime error:", "error: "}) {
      if (line.text.find(sign) != std::string::npos) text += line.text + "\n";
    }
  }
  return text;
}

}  // namespace snapclone::test
