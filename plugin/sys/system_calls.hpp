// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

// Limits which system calls the calling thread, and every thread it starts later, can make
// (seccomp(2)). A process calls this before it has a second thread. It cannot be undone.
namespace snapclone::sys {

// What happens at a call that is not on the list. It is never made: it fails with ENOSYS, as on a
// kernel that does not have it, so a C library that tries a newer call falls back on an older one.
//   failing    nothing else
//   reported   a line on stderr gives the call's number, and refused_calls() counts it. This needs
//              a signal (SIGSYS). In a thread that blocks all signals, as every thread does while
//              it starts, the call ends the process instead
enum class Unlisted { failing, reported };

// `more` are further calls to allow, for tests. Throws sys::Error if the kernel takes no filter.
void refuse_unlisted_calls(Unlisted unlisted, std::vector<std::string> const& more = {});

// How many calls were reported.
unsigned refused_calls();

}  // namespace snapclone::sys
