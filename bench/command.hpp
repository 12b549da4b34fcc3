// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace snapclone::bench {

// Runs a program to its end; throws if it fails. Returns how long it took, in milliseconds.
double run(std::vector<std::string> const& command, std::string const& input = "/dev/null");

}  // namespace snapclone::bench
