// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include <sys/types.h>

namespace snapclone::test {

// What a process holds.
struct Resources {
  std::size_t resident = 0;  // bytes of memory
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::size_t mounts = 0;
};

Resources resources_of(pid_t process);

}  // namespace snapclone::test
