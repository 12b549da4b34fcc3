// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"

#include <cstdint>
#include <string>

// Clones whose writes lie in memory: overlays of sealed layers, whatever backend made them, with an
// upper on a tmpfs of a bounded size. Past it writers get ENOSPC. Such a clone has no tree in the
// pool, so the pool's backend has nothing to probe.
namespace snapclone::backend {

namespace fs = boost::filesystem;
using pool::Pool;
using pool::Stack;

// Mounts a tmpfs on the existing directory `tree` and makes in it what make_tree() of overlay does.
// It takes `bytes` of content and one file or directory for each 4 KiB of that. Throws sys::Error.
void make_memory_tree(Pool const& pool, fs::path const& tree, Stack const& below,
                      std::uint64_t bytes);

void mount_memory_tree(Pool const& pool, fs::path const& tree, Stack const& below,
                       std::string const& source, fs::path const& target);

// Shows that this works over the layers of this stack; throws with the reason. `scratch` is a
// directory apart from the pool.
void self_test_memory(Pool const& pool, fs::path const& scratch, Stack const& below);

}  // namespace snapclone::backend
