// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/tree_path.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace snapclone::tree {

// The directories that a walk of a tree has yet to enter. The last one added is the next, which
// keeps their number small, and only the newest keep their descriptors: Directory has close().
template <class Directory>
class PendingDirectories {
 public:
  bool empty() const { return all_.empty(); }

  void add(Directory directory) {
    all_.push_back(std::move(directory));
    if (all_.size() - closed_ > kMostOpen) all_[closed_++].close();
  }

  Directory next() {
    Directory directory = std::move(all_.back());
    all_.pop_back();
    if (closed_ > all_.size()) closed_ = all_.size();
    return directory;
  }

 private:
  static constexpr std::size_t kMostOpen = 64;

  std::vector<Directory> all_;
  std::size_t closed_ = 0;  // how many of them, from the first
};

// For walks that need no more than the directory itself (O_PATH).
struct PendingDirectory {
  TreePath place;
  sys::Fd fd;  // closed while too many wait
  void close() { fd = sys::Fd(); }
};

}  // namespace snapclone::tree
