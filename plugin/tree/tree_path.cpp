// SPDX-License-Identifier: Apache-2.0
#include "tree/tree_path.hpp"

#include <algorithm>

namespace snapclone::tree {
namespace {

constexpr std::size_t kLongestText = 1000;  // of the end of a path

}  // namespace

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
  std::vector<std::string_view> names;
  std::size_t length = 0;
  for (Entry const* at = entry_.get(); at->above; at = at->above.get()) {
    names.push_back(length > kLongestText ? std::string_view("...") : at->name);
    if (length > kLongestText) break;
    length += at->name.size() + 1;
  }
  std::string text;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    text += text.empty() ? std::string(*name) : "/" + std::string(*name);
  }
  return text;
}

}  // namespace snapclone::tree
