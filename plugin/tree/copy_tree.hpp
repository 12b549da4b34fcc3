// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

namespace snapclone::tree {

namespace fs = boost::filesystem;

struct CopyOptions {
  unsigned threads = 2;          // more gain nothing: the file system itself is the limit
  bool through_overlay = false;  // the original is seen through an overlay (copy_file.hpp)
  std::stop_token stop = {};     // looked at often, on every thread
  std::chrono::milliseconds lease_wait{60'000};  // for all files that somebody has a lease on
};

struct CopyReport {
  // Paths, inside the tree, of files that are immutable or append-only (chattr +i, +a). Their
  // copies are not, because nobody could write or remove such a copy. The first 20 are listed, and
  // all are counted.
  std::vector<std::string> flags_lost;
  std::size_t flags_lost_count = 0;
};

// Copies the tree `from` into the existing, empty directory `to`, with everything that `from`
// shows, its root directory included: owners, modes, times, extended attributes of every namespace
// (overlayfs' marks too, so that the copy of an upper is one), hard links within the tree, links,
// fifos, sockets, devices and holes. Content is shared where the file system can do that.
//
// The copy follows no link, even if one is swapped in meanwhile, and fails at a mount inside
// (EXDEV). The tree may change meanwhile: an entry that vanishes is left out. Nobody else may use
// `to`.
//
// Throws sys::Error or sys::Cancelled; then the caller deletes the unfinished copy. Syncs nothing.
CopyReport copy_tree(fs::path const& from, fs::path const& to, CopyOptions const& options = {});

}  // namespace snapclone::tree
