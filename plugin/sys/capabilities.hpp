// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

// Limits what the calling thread, and every thread it starts later, may do as root
// (capabilities(7)). Linux keeps capabilities for each thread, so a process calls these functions
// before it has a second one. Nothing here can be undone.
namespace snapclone::sys {

struct Capability {
  unsigned number;
  char const* name;
  char const* use;  // "it is needed to …"
};

// The capabilities that the program needs, whatever the backend. Overlayfs writes with those of the
// process that mounted the overlay, so they also limit what a container may do in a volume.
std::vector<Capability> const& needed_capabilities();

// Throws std::runtime_error if a needed one is missing: the sentence names it.
void check_needed_capabilities();

// Gives up all capabilities but the needed ones, and what execve(2) could give (no_new_privs).
void keep_needed_capabilities();

// The same for any set (bit n is capability n). Missing ones are no error.
void keep_capabilities(std::uint64_t set);

// Gives up a single capability.
void give_up_capability(unsigned number);

}  // namespace snapclone::sys
