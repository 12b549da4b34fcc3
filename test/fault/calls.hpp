// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

// System calls of another process: what they are about to do, and how they can fail.
namespace snapclone::test {

struct Call {
  pid_t thread = 0;  // which waits in the call, so that its memory and descriptors can be looked at
  int number = 0;
  std::array<std::uint64_t, 6> arguments{};
};

//   change  leaves something behind that a later process would find: in a file system, a mount
//   look    leaves nothing, and can fail: opening for reading, listing, asking, a new thread
//   answer  writes to a socket
//   none    everything else, the log included
enum class Effect { none, look, change, answer };

Effect effect_of(Call const& call);

// "rename /pool/a /pool/b"; "try /pool" for a file without a name there
std::string described(Call const& call);

// What it can fail with, the likeliest first; errno's numbers.
std::vector<int> errors_of(Call const& call);

// The numbers of the calls that can have an effect other than none. Without `looks`, those that
// can only look are left out.
std::vector<int> watched_calls(bool looks);

}  // namespace snapclone::test
