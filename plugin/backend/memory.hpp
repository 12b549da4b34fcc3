// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"

#include <cstdint>
#include <string>

// Clones that write to memory: overlays of sealed layers, of any backend, with an upper on a tmpfs
// of bounded size. Once that is full writers get ENOSPC. Nothing of such a clone is in the pool, so
// Backend::use_of() cannot see it.
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
