// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>

// The trial of a backend on a pool, before it is used there: it seals a small tree and uses a clone
// of it as a container would. Then the sealed tree must not have changed.
namespace snapclone::backend {

namespace fs = boost::filesystem;

// Throws std::runtime_error with the sentence `what` unless `holds`.
void expect(bool holds, std::string const& what);

// Fills an empty directory.
void fill_trial(fs::path const& tree);

// Uses `clone`, which shows what fill_trial() made of `sealed`.
void use_trial(fs::path const& clone, fs::path const& sealed);

}  // namespace snapclone::backend
