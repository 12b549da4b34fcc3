// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <map>
#include <string>

namespace snapclone::test {

namespace fs = boost::filesystem;

// What is on disk and mounted beyond what the records there ask for, or is missing: a line each.
// `held`: trees that a boot must free may be there (backend/backend.hpp).
std::string leftovers(fs::path const& pool, fs::path const& mounts, bool held);

// The number of layers of each volume and snapshot, and under "" that of the pool.
std::map<std::string, std::size_t> heights(fs::path const& pool);

}  // namespace snapclone::test
