// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace snapclone::tree {

namespace fs = boost::filesystem;

// A directory's metadata. ACLs and capabilities are xattrs. Overlayfs' own xattrs
// (trusted.overlay.*) are left out: they say how a tree is stored.
struct DirectoryAttributes {
  unsigned mode = 0;
  unsigned uid = 0;
  unsigned gid = 0;
  std::int64_t mtime_s = 0;
  std::int64_t mtime_ns = 0;
  std::map<std::string, std::string> xattrs;

  bool operator==(DirectoryAttributes const&) const = default;
};

DirectoryAttributes read_attributes(fs::path const& directory);

// Gives the directory these attributes; xattrs it has beyond them are removed. The access time
// becomes the modification time.
void write_attributes(fs::path const& directory, DirectoryAttributes const& attributes);

}  // namespace snapclone::tree
