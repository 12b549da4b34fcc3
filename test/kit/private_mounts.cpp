// SPDX-License-Identifier: Apache-2.0
#include "kit/private_mounts.hpp"

#include "sys/log.hpp"

#include <stdexcept>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace snapclone::test {

void make_mounts_private() {
  if (unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, "") != 0) {
    throw std::runtime_error("the tests need root, to mount");
  }
  umask(0);
  sys::set_log_level("error");
}

}  // namespace snapclone::test
