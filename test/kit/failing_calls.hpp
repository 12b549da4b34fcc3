// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

namespace snapclone::test {

// From now on these system calls of the calling thread fail with an errno, by their names. It
// cannot be taken back: for in_a_thread().
void fail_calls(std::map<std::string, int> const& errors);

}  // namespace snapclone::test
