// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

// What a container writes: small, and with one of everything that a layer or a copy can lose.
namespace snapclone::test {

void fill(boost::filesystem::path const& root);

// Deletes, renames, replaces and adds; on overlay each leaves marks of another kind.
void change(boost::filesystem::path const& root);

// What kills at the wrong moments might leave in a pool, all at once.
void litter(boost::filesystem::path const& pool);

}  // namespace snapclone::test
