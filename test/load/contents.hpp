// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "load/model.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace snapclone::test {

// The contents of volumes and snapshots, as far as the clients know them together, by the tag of
// the Create that made them. They hold files alone, and a file's name begins with the tag of the
// volume that it was written to. Safe from every thread.
class Contents {
 public:
  static std::string new_file(int tag, std::string const& rest) {
    return "w" + std::to_string(tag) + "-" + rest;
  }

  void wrote(int tag, std::string const& file, Clock::time_point end);

  // Checks what a volume shows, listed from that time on: it began with the same files for every
  // client, and has what was written before. Returns what is wrong; "" if nothing is.
  std::string shows(int tag, Files const& files, Clock::time_point begin);

  // What it began with; nothing if nobody has looked.
  std::optional<Files> first(int tag) const;

 private:
  struct Write {
    std::string file;
    Clock::time_point end;
  };
  struct Volume {
    std::optional<Files> first;
    std::vector<Write> writes;
  };

  mutable std::mutex mutex_;  // guards the map
  std::map<int, Volume> volumes_;
};

}  // namespace snapclone::test
