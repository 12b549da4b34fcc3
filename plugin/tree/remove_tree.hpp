// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <functional>
#include <string>

// Directory trees, handled on descriptors: no function here follows a symbolic link or crosses
// a mount. Everything throws sys::Error.
namespace snapclone::tree {

namespace fs = boost::filesystem;

// Deletes the tree, `root` included. A mount found on the way stops it with EXDEV. What is gone
// already is no error. `pace` is called once for every entry. `shortcut` is offered each directory
// below the root, and returns true if it has deleted it as a whole.
using Shortcut = std::function<bool(int parent, std::string const& name)>;
void remove_tree(fs::path const& root, std::function<void()> const& pace,
                 Shortcut const& shortcut = {});

}  // namespace snapclone::tree
