// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/caller.hpp"

#include <string>

namespace snapclone::bench {

using test::Caller;

// What identifies a mount to the plugin, as the engine makes it: 64 hexadecimal digits.
std::string new_mount_id();

// Mount or unmount, and return how many microseconds it took. The engine asks Get before each of
// them: so do these, outside the time.
double timed_mount(Caller& caller, std::string const& name, std::string const& id);
double timed_unmount(Caller& caller, std::string const& name, std::string const& id);

}  // namespace snapclone::bench
