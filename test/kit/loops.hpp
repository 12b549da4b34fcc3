// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>
#include <vector>

// The loop devices of the machine, seen without the plugin's code.
namespace snapclone::test {

namespace fs = boost::filesystem;

// Those that have the file, whatever path they show: "/dev/loopN".
std::vector<std::string> loops_with(fs::path const& file);

// Those that have any file of the file system that the path lies in.
std::vector<std::string> loops_on(fs::path const& path);

}  // namespace snapclone::test
