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

}  // namespace snapclone::tree
