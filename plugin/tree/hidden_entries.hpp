// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/tree_path.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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
//  - what a file whose topmost layer has only its attributes (metacopy) needs: the data, and files
//    between that have attributes only. Such a file shows the extents of that data. Where there are
//    no extents to compare (tmpfs, empty files, attributes only), every file of the same size
//    stays;
//  - a file with several names, unless all of them are hidden.
//
// Nobody changes the layers meanwhile. For one thread. Functions throw sys::Error, or
// sys::Cancelled once `stop` is requested. What is hidden is found in parts, so that a container
// cannot make this take more than some tens of megabytes.
class HiddenEntries {
 public:
  // `layers` are the trees to search. They are in every stack whose view is named below, and are
  // the topmost in none.
  HiddenEntries(std::vector<fs::path> layers, std::stop_token stop);

  // Goes on with the search. Finds a part of the entries that `view`, the mount of a stack, does
  // not show where they lie. False at the end.
  bool find_some(fs::path const& view);

  // Takes out what `view` shows anywhere. `top` is the topmost layer of its stack. Called for every
  // stack that has the layers, it leaves what is hidden in all.
  void leave_out_shown_by(fs::path const& view, fs::path const& top);

  // After that: takes out what may be the data of a file that any of the views shows.
  void leave_out_data();

  // Whether nothing of the part is left.
  bool empty() const { return entries_.empty(); }
  // Whether all of it was found in one part. Otherwise directories may have been left that another
  // search can remove.
  bool complete() const { return parts_ <= 1; }

  // Moves up to `most` hidden files into the directory `bin`, under numbers, and removes hidden
  // directories that are empty by then. With `files_only` no directory is removed. Until empty().
  void move_some(fs::path const& bin, std::size_t most, bool files_only);

  // The bytes on disk of the files that were moved.
  std::uint64_t moved_bytes() const { return moved_bytes_; }

 private:
  struct Entry {
    std::size_t layer;
    TreePath place;
    ino_t inode;
    bool directory;
    std::optional<std::uint64_t> size;  // of a regular file
    std::uint64_t data;                 // the digest of its extents
  };
  enum class Shown { nothing, known, unknown };  // data of files of one size
  struct Pair;
  struct Search;

  void compare(Search& search, std::string const& name);
  bool enter_next(Search& search);
  void note_data(sys::Fd const& shown, std::uint64_t size);
  bool may_be_data(Entry const& entry) const;
  bool is_unchanged(Entry const& entry) const;
  void move(Entry const& entry, fs::path const& bin, bool files_only);

  std::vector<fs::path> const layers_;
  std::stop_token const stop_;
  std::unique_ptr<Search, void (*)(Search*)> search_;
  sys::Fd view_root_;
  int parts_ = 0;
  std::vector<Entry> entries_;  // a directory before its entries
  std::unordered_set<ino_t> inodes_;
  std::unordered_map<std::uint64_t, Shown> sizes_;
  std::unordered_map<std::uint64_t, bool> data_;  // and whether a file shows it
  std::uint64_t moved_ = 0;
  std::uint64_t moved_bytes_ = 0;
};

}  // namespace snapclone::tree
