// SPDX-License-Identifier: Apache-2.0
#include "tree/tree_path.hpp"

#include <algorithm>

namespace snapclone::tree {
namespace {

constexpr std::size_t kLongestText = 1000;  // of the end of a path

}  // namespace

// One after the other: if each destroyed the one above it, a deep tree would need as deep a stack.
TreePath::Entry::~Entry() {
  std::shared_ptr<Entry> next = std::move(above);
  while (next && next.use_count() == 1) {
    std::shared_ptr<Entry> further = std::move(next->above);
    next = std::move(further);
  }
}

std::vector<std::string_view> TreePath::names() const {
  std::vector<std::string_view> names;
  for (Entry const* at = entry_.get(); at->above; at = at->above.get()) names.push_back(at->name);
  std::reverse(names.begin(), names.end());
  return names;
}

std::string TreePath::text() const {
  Entry const* root = entry_.get();
  while (root->above) root = root->above.get();
  return is_root() ? root->name : root->name + "/" + inside();
}

std::string TreePath::inside() const {
  std::vector<std::string_view> shown;
  std::size_t length = 0;
  for (Entry const* at = entry_.get(); at->above; at = at->above.get()) {
    shown.push_back(length > kLongestText ? std::string_view("...") : at->name);
    if (length > kLongestText) break;
    length += at->name.size() + 1;
  }
  std::string text;
  for (auto name = shown.rbegin(); name != shown.rend(); ++name) {
    text += text.empty() ? std::string(*name) : "/" + std::string(*name);
  }
  return text;
}

}  // namespace snapclone::tree
