// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <map>
#include <string>

#include <time.h>

// Everything that a tree shows, in a form that can be compared.
namespace snapclone::test {

namespace fs = boost::filesystem;

// What an entry shows, by the name of what it is: "mtime", "xattr user.a", "data at 0", …
using Shown = std::map<std::string, std::string>;
// By path in the tree; "" is its root.
using Manifest = std::map<std::string, Shown>;

Manifest manifest(fs::path const& root);

// A time as "mtime" and "atime" have it.
std::string shown_time(timespec const& time);

// Reading changes access times.
Manifest without_access_times(Manifest manifest);

// The differences between two trees, one line each; not the content itself.
std::string differences(Manifest const& a, Manifest const& b);

}  // namespace snapclone::test
