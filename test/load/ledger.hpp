// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "load/model.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace snapclone::test {

// What the clients know together of what volumes and snapshots hold, by the tag of the Create that
// made them. Files are all they hold, and a file's name begins with the tag of the volume that it
// was written to. Safe from every thread.
class Ledger {
 public:
  static std::string new_file(int tag, std::string const& rest) {
    return "w" + std::to_string(tag) + "-" + rest;
  }

  void wrote(int tag, std::string const& file, Clock::time_point end);

  // It shows these, which were listed from that time on: what it began with must be what it began
  // with for everyone else, and what was written before must be there. Returns what is wrong, ""
  // if nothing is.
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
