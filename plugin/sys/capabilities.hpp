// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

// What the calling thread, and every thread that it starts from then on, may do as root
// (capabilities(7)). Linux keeps this for each thread: a process calls these before it has a second
// one. Nothing here can be taken back.
namespace snapclone::sys {

struct Capability {
  unsigned number;
  char const* name;
  char const* use;  // "it is needed to …"
};

// The ones that the program cannot do its work without, on any backend. An overlay is written with
// the capabilities of whoever mounted it, so what a container may do in a volume is limited by
// these as well.
std::vector<Capability> const& needed_capabilities();

// Gives up all capabilities but the needed ones, and what execve(2) could give (no_new_privs).
// Throws std::runtime_error, and changes nothing, if a needed one is missing: the sentence names
// it.
void keep_needed_capabilities();

// The same for a set of one's own (bit n: capability n). What is not there is not missed.
void keep_capabilities(std::uint64_t set);

// Gives up one of them, in the calling thread and those it starts.
void give_up_capability(unsigned number);

}  // namespace snapclone::sys
