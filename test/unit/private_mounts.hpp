// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/log.hpp"

#include <stdexcept>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace snapclone::test {

// Tests mount: in a namespace of their own, so that nothing can stay behind on the machine. With
// the last process in it the namespace goes, and every mount with it.
inline void make_mounts_private() {
  if (unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, "") != 0) {
    throw std::runtime_error("the tests need root, to mount");
  }
  umask(0);
  sys::set_log_level("error");
}

}  // namespace snapclone::test
