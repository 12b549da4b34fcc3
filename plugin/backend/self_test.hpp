// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>

// The steps that the self tests of all backends share: they seal a small tree, use a clone of it as
// a container would, and see that the sealed tree has not changed.
namespace snapclone::backend {

namespace fs = boost::filesystem;

// Throws std::runtime_error with the sentence `what` unless `holds`.
void expect(bool holds, std::string const& what);

// Fills an empty directory.
void fill_trial(fs::path const& tree);

// Uses `clone`, which shows what fill_trial() made of `sealed`.
void use_trial(fs::path const& clone, fs::path const& sealed);

}  // namespace snapclone::backend
