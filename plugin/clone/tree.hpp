// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <functional>
#include <map>
#include <string>

// Directory trees, handled on descriptors: no function here follows a symbolic link or crosses
// a mount. Everything throws sys::Error.
namespace snapclone::clone {

namespace fs = boost::filesystem;

// What a directory shows of itself, apart from its entries. ACLs and capabilities are xattrs.
// Overlayfs' own xattrs (trusted.overlay.*) are left out: they say how a tree is stored.
struct RootAttributes {
  unsigned mode = 0;
  unsigned uid = 0;
  unsigned gid = 0;
  std::int64_t mtime_s = 0;
  std::int64_t mtime_ns = 0;
  std::map<std::string, std::string> xattrs;

  bool operator==(RootAttributes const&) const = default;
};

RootAttributes read_root(fs::path const& directory);

// Gives the directory these attributes; xattrs it has beyond them are removed. The access time
// becomes the modification time.
void write_root(fs::path const& directory, RootAttributes const& attributes);

// Deletes the tree, `root` included. A mount found on the way stops it with EXDEV. What is gone
// already is no error. `pace` is called once for every entry. `shortcut` is offered each directory
// below the root, and returns true if it has deleted it as a whole.
using Shortcut = std::function<bool(int parent, std::string const& name)>;
void remove_tree(fs::path const& root, std::function<void()> const& pace,
                 Shortcut const& shortcut = {});

}  // namespace snapclone::clone
