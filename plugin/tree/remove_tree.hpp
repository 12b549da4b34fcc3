// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <functional>
#include <stop_token>
#include <string>

namespace snapclone::tree {

namespace fs = boost::filesystem;

// Deletes a directory below the root as a whole. Returns whether it did.
using Shortcut = std::function<bool(int parent, std::string const& name)>;

// Deletes the tree, `root` included. It follows no symbolic link and crosses no mount: a mount
// inside stops it with EXDEV. An entry that is gone already is no error. `shortcut` is tried on
// each directory below the root first.
//
// Checks `stop` before each entry. Throws sys::Error or sys::Cancelled, and leaves the rest of the
// tree.
void remove_tree(fs::path const& root, std::stop_token const& stop = {},
                 Shortcut const& shortcut = {});

}  // namespace snapclone::tree
