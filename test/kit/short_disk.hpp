// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

namespace snapclone::test {

namespace fs = boost::filesystem;

// An ext4 without a journal, whose disk takes writes to new blocks only while it has room. Without
// it they fail when they are written out, as on a broken disk, and the file system goes on.
class ShortDisk {
 public:
  ShortDisk();
  ~ShortDisk();
  ShortDisk(ShortDisk const&) = delete;
  ShortDisk& operator=(ShortDisk const&) = delete;

  // It has room in the beginning. A few megabytes more can be written without.
  void take_room();
  void give_room();

  // Writes more than there is room for to a file, which is left without being synced.
  static void fill(fs::path const& file);

  // A program has failed to write a file, and knows. The kernel has told nobody else yet. Then the
  // file is removed, and the disk has room again.
  void lose_write(fs::path const& file);

 private:
  fs::path const memory_;

 public:
  fs::path const path;
};

}  // namespace snapclone::test
