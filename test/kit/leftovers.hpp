// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <map>
#include <string>

namespace snapclone::test {

namespace fs = boost::filesystem;

// What may be there although no record asks for it, or be missing.
struct Tolerated {
  bool held = false;        // trees that only a boot frees (backend/backend.hpp)
  bool work = false;        // work directories beside sealed trees
  bool no_reserve = false;  // the pool's reserve is missing
};

// What is on disk and mounted beyond what the records there ask for, or is missing: a line each.
std::string leftovers(fs::path const& pool, fs::path const& mounts,
                      Tolerated const& tolerated = {});

// Whether the background has nothing to delete.
bool all_is_deleted(fs::path const& pool, fs::path const& mounts);

// The number of layers of each volume and snapshot, and under "" that of the pool.
std::map<std::string, std::size_t> heights(fs::path const& pool);

}  // namespace snapclone::test
