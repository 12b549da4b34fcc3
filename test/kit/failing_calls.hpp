// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace snapclone::test {

// From now on these system calls of the calling thread fail with an errno, by their names. It
// cannot be taken back: for in_a_thread().
void fail_calls(std::map<std::string, int> const& errors);

// The process is killed as soon as it makes this system call. For a process that may die.
void die_at(std::string const& call);

}  // namespace snapclone::test
