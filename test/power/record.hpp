// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "power/image.hpp"
#include "sys/file.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace snapclone::test {

// What a disk was told to do: write bytes, forget a range (which then reads as zeros), or flush.
struct Change {
  enum class What : std::uint64_t { write, zero, flush } what;
  std::uint64_t at = 0;
  std::uint64_t length = 0;
  std::string bytes;  // of a write

  void apply_to(Image& image) const;
};

// A moment: how many changes had been made.
using Moment = std::size_t;

// Changes in their order, in memory that processes share: one of them adds, others look.
class Record {
 public:
  Record();
  ~Record();
  Record(Record const&) = delete;
  Record& operator=(Record const&) = delete;

  void add(Change const& change);

  Moment now() const { return *count_; }
  std::vector<Change> changes() const;

 private:
  sys::Fd file_;
  std::atomic<Moment>* count_;
};

}  // namespace snapclone::test
