// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>

// What a backend shows of itself on a pool before it is used there: a small tree is sealed, a clone
// of it is used as a container would, and the sealed one must not have changed.
namespace snapclone::backend {

namespace fs = boost::filesystem;

// Throws std::runtime_error with that sentence unless it holds.
void expect(bool holds, std::string const& what);

// Fills an empty directory.
void fill_trial(fs::path const& tree);

// Uses `clone`, which shows what fill_trial() made of `sealed`.
void use_trial(fs::path const& clone, fs::path const& sealed);

}  // namespace snapclone::backend
