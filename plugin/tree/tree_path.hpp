// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace snapclone::tree {

// Where an entry lies in a tree. A container chooses how deep its tree is, and a path of megabytes
// for each of thousands of entries would fill the memory. So a path shares all but its own name
// with those above it. Immutable; paths that share may be used on different threads.
class TreePath {
 public:
  // A tree's root, by the path that messages show for it.
  explicit TreePath(std::string root) : TreePath(std::move(root), {}) {}

  // An entry of this directory.
  TreePath below(std::string name) const { return {std::move(name), entry_}; }

  bool is_root() const { return entry_->above == nullptr; }
  std::string const& name() const { return entry_->name; }
  // The directory that it is an entry of. Not for the root.
  TreePath above() const { return TreePath(entry_->above); }

  // The names from the tree's root, which is not among them, to the entry.
  std::vector<std::string_view> names() const;

  // For messages: the whole path, and the part inside the tree. The middle of a long one is left
  // out.
  std::string text() const;
  std::string inside() const;

 private:
  struct Entry;
  using EntryPtr = boost::intrusive_ptr<Entry>;
  struct Entry {
    std::string name;
    EntryPtr above;
    std::atomic<std::size_t> users{0};

    friend void intrusive_ptr_add_ref(Entry* entry) {
      entry->users.fetch_add(1, std::memory_order_relaxed);
    }
    // Deletes one entry after the other: if each destroyed the one above it, a deep tree would need
    // as deep a stack.
    friend void intrusive_ptr_release(Entry* entry) {
      while (entry != nullptr && entry->users.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        Entry* next = entry->above.detach();
        delete entry;
        entry = next;
      }
    }
  };
  TreePath(std::string name, EntryPtr above)
      : entry_(new Entry{std::move(name), std::move(above)}) {}
  explicit TreePath(EntryPtr entry) : entry_(std::move(entry)) {}

  EntryPtr entry_;
};

}  // namespace snapclone::tree
