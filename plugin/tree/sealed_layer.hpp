// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/tree_path.hpp"

#include <cstddef>
#include <string>
#include <vector>

// How overlayfs treats a layer that nobody writes any more.
namespace snapclone::tree {

namespace fs = boost::filesystem;

// Whether a layer hides the content that a path shows in the layers below it. `path` is relative,
// inside the tree. A file without content of its own (metacopy) hides none, and a renamed directory
// counts as two others. Throws sys::Error.
bool hides(fs::path const& layer, std::string const& path);

// Looks for files and directories that are different once their layer is sealed:
//  - Overlayfs keeps the flags immutable and append-only (chattr +i, +a) of an upper's files in an
//    attribute, and looks at that in the upper alone.
//  - A first change copies the file up, with attributes that mark it. If the file's own attributes
//    nearly fill the room that the file system has for them, as on ext4, that fails with ENOSPC.
// For one thread.
class SealedLayerCheck {
 public:
  // `directory` is on the layer's file system. Files without names are made in it.
  explicit SealedLayerCheck(fs::path const& directory);

  // Checks a regular file or directory, by a descriptor (O_PATH). Passes over one that is deleted
  // meanwhile, or that the disk is too full to try.
  void check(int entry, TreePath const& place);

  struct Found {
    std::vector<std::string> paths;  // the first five
    std::size_t count = 0;
  };
  Found const& flags_lost() const { return flags_lost_; }
  Found const& unwritable() const { return unwritable_; }

 private:
  bool may_be_full(std::string const& entry, std::string const& names) const;
  bool has_room_for_mark(int entry, TreePath const& place) const;

  sys::Fd const directory_;
  std::size_t block_ = 0;  // the file system's block size in bytes
  std::vector<char> names_;
  Found flags_lost_;
  Found unwritable_;
};

}  // namespace snapclone::tree
