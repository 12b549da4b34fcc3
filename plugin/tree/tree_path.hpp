// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace snapclone::tree {

// Where an entry lies in a tree. A container chooses how deep its tree is, and a path of megabytes
// for each of thousands of entries would fill the memory: so a place shares all but its own name
// with those above it. Immutable; places that share may be used on different threads.
class TreePath {
 public:
  // A tree's root, by the path that messages show for it.
  explicit TreePath(std::string root) : TreePath(std::move(root), nullptr) {}

  // An entry of this directory.
  TreePath below(std::string name) const { return {std::move(name), entry_}; }

  bool is_root() const { return entry_->above == nullptr; }
  std::string const& name() const { return entry_->name; }
  // The directory that it is an entry of. Not for the root.
  TreePath above() const { return TreePath(entry_->above); }

  // The names on the way to it from the tree's root, which is not among them.
  std::vector<std::string_view> names() const;

  // For messages: its path, beginning with the root's or, inside(), in the tree. Of a long one the
  // middle is left out.
  std::string text() const;
  std::string inside() const;

 private:
  struct Entry {
    std::string name;
    std::shared_ptr<Entry> above;
    ~Entry();
  };
  TreePath(std::string name, std::shared_ptr<Entry> above)
      : entry_(new Entry{std::move(name), std::move(above)}) {}
  explicit TreePath(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}

  std::shared_ptr<Entry> entry_;
};

// Directories whose turn has not come yet. The last one that was added is the next, so that few
// wait, and of those only the newest keep their descriptors. Directory has close().
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

}  // namespace snapclone::tree
