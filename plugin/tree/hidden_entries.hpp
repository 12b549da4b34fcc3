// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/tree_path.hpp"

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <sys/types.h>

namespace snapclone::tree {

namespace fs = boost::filesystem;

// Finds the entries of overlayfs layers that no stack shows, and moves them away.
//
// The kernel is asked what a stack shows: if all layers of an overlay without an upper lie in one
// file system, each entry of the overlay has the inode number of the entry that it shows
// (Documentation/filesystems/overlayfs.rst, "Inode properties"). An entry whose number is seen
// nowhere is hidden, and moving it away changes nothing that a stack shows. Exceptions stay:
//  - whiteouts, and directories that are opaque or redirected: they hide what is below them;
//  - the data of a file whose topmost layer has only its attributes (metacopy). Such a file shows
//    the extents of that data. Where the file system cannot list extents (tmpfs), every file of the
//    same size stays;
//  - a file with several names, unless all of them are hidden.
//
// Nobody changes the layers meanwhile. For one thread. Functions throw sys::Error, or sys::Cancelled
// once `stop` is requested. Memory grows with the number of hidden entries.
class HiddenEntries {
 public:
  // `layers` are the trees to search. They are in every stack whose view is named below, and are
  // the topmost in none.
  HiddenEntries(std::vector<fs::path> layers, std::stop_token stop);

  // Takes what `view` shows for not hidden. `view` is a mount of a stack, and `top` that stack's
  // topmost layer. Called for every stack that has the layers, it leaves what is hidden in all.
  void leave_out_shown_by(fs::path const& view, fs::path const& top);

  bool empty() const { return entries_.empty(); }

  // Moves up to `most` hidden files into the directory `bin`, under numbers, and removes hidden
  // directories that are empty by then. With `files_only` no directory is removed. Until empty().
  void move_some(fs::path const& bin, std::size_t most, bool files_only);

  // What the moved files took on disk.
  std::uint64_t moved_bytes() const { return moved_bytes_; }

 private:
  struct Entry {
    std::size_t layer;
    TreePath place;
    ino_t inode;
    std::uint64_t size;  // of a file
    bool directory;
  };
  struct Pair;

  void list_differences(fs::path const& view);
  void take_out_shown(fs::path const& view);
  void note_data(sys::Fd const& shown, std::uint64_t size);
  bool may_be_data(sys::Fd const& file, std::uint64_t size) const;
  void move(Entry const& entry, fs::path const& bin, bool files_only);

  std::vector<fs::path> const layers_;
  std::stop_token const stop_;
  bool listed_ = false;
  std::vector<Entry> entries_;  // a directory before its entries
  std::unordered_set<ino_t> inodes_;
  std::unordered_set<std::uint64_t> sizes_;  // of hidden files
  // Where the content of shown files lies that have one of these sizes (tree/extents.hpp).
  std::unordered_map<std::uint64_t, std::unordered_set<std::uint64_t>> shown_data_;
  std::uint64_t moved_ = 0;
  std::uint64_t moved_bytes_ = 0;
};

}  // namespace snapclone::tree
