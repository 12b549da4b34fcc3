// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

// Which system calls the calling thread, and every thread that it starts from then on, can make
// (seccomp(2)). A process calls this before it has a second one. It cannot be taken back.
namespace snapclone::sys {

// What becomes of a call that is not on the list. It is not made in either case: it fails with
// ENOSYS, as on a kernel that does not have it, so that a C library that tries something newer goes
// on with what every kernel has.
//   failing    nothing more
//   reported   a line on stderr gives its number, and refused_calls() counts it. This needs a
//   signal
//              (SIGSYS): a thread that has blocked all of them, as one that is only starting has,
//              ends the process instead
enum class Unlisted { failing, reported };

// `more` is what else is allowed, for tests. Throws sys::Error where the kernel takes no filter.
void refuse_unlisted_calls(Unlisted unlisted, std::vector<std::string> const& more = {});

// How many there have been, if they are reported.
unsigned refused_calls();

}  // namespace snapclone::sys
