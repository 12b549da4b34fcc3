// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"

#include <cstdint>
#include <string>

// Clones that write to memory: overlays of sealed layers, of any backend, with an upper on a tmpfs
// of bounded size. Once that is full writers get ENOSPC. Nothing of such a clone is in the pool, so
// Backend::use_of() cannot see it.
//
// Upper and layers are two file systems, so overlayfs cannot show their numbers as they are, as it
// does for a clone on the pool's disk. There are two ways, and no third:
//  - xino=off, which is chosen: files keep the numbers of their file system, and st_dev tells the
//    file systems apart: one for directories, one for the layers' files, one for the upper's. A
//    pair (st_dev, st_ino) is one file. The price: programs told to stay on one file system that
//    apply this to files too (`du -x`, `restic -x`) leave them out. A directory that fell out of
//    the cache gets a new number.
//  - xino=auto: one st_dev, but the file system stands in the top bits of st_ino, which is 2^63 and
//    more for the layers' files. Two bits are the fewest; even with 500 file systems, the most
//    there can be, it is 2^55. A double holds 53 bits. Programs in JavaScript take different files
//    for one then: `npm pack` stores the content of one hard-linked file under the names of others.
// The first harms programs that asked for one file system, and they can leave the option out. The
// second harms programs that did nothing unusual, and they have no way out. docs/limits.md has the
// prices of the first.
namespace snapclone::backend {

namespace fs = boost::filesystem;
using pool::Pool;
using pool::Stack;

// Mounts a tmpfs on the existing directory `tree`, and makes in it what make_tree() of overlay
// does. The tmpfs holds `bytes` of content, and one file or directory for each 4 KiB of that.
// Throws sys::Error.
void make_memory_tree(Pool const& pool, fs::path const& tree, Stack const& below,
                      std::uint64_t bytes);

void mount_memory_tree(Pool const& pool, fs::path const& tree, Stack const& below,
                       std::string const& source, fs::path const& target);

// Tries it over the layers of a stack. Throws with the reason if it does not work. `probes` is a
// directory outside the pool.
void self_test_memory(Pool const& pool, fs::path const& probes, Stack const& below);

}  // namespace snapclone::backend
