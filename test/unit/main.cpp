// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE snapclone
#include "sys/log.hpp"

#include <boost/test/unit_test.hpp>

#include <stdexcept>

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

// Tests mount: in a namespace of their own, so that nothing can stay behind on the machine. With
// the last process in it the namespace goes, and every mount with it.
struct PrivateMounts {
  PrivateMounts() {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, "") != 0) {
      throw std::runtime_error("the unit tests need root, to mount");
    }
    umask(0);
    snapclone::sys::set_log_level("error");
  }
};
BOOST_TEST_GLOBAL_FIXTURE(PrivateMounts);
