// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace snapclone::test {

// Runs a command of a shell, which also finds the system's tools. Returns what it prints, on stderr
// too, without the last line's end. Throws with that if it fails.
std::string run(std::string const& command);

}  // namespace snapclone::test
