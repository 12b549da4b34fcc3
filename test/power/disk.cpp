// SPDX-License-Identifier: Apache-2.0
#include "power/disk.hpp"

#include "sys/error.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>

namespace snapclone::test {

Disk::Disk(Image const& content) : file_(content) {
  sys::Fd file(open(file_.path.c_str(), O_RDWR | O_CLOEXEC));
  sys::Fd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (file.get() < 0 || control.get() < 0) sys::fail("open", "/dev/loop-control");
  loop_config config{};
  config.fd = static_cast<__u32>(file.get());
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
  do {
    int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    device_ = "/dev/loop" + std::to_string(number);
    loop_ = sys::Fd(open(device_.c_str(), O_RDWR | O_CLOEXEC));
    if (number < 0 || loop_.get() < 0) sys::fail("open", device_);
    if (ioctl(loop_.get(), LOOP_CONFIGURE, &config) == 0) return;
  } while (errno == EBUSY);  // somebody else was faster
  sys::fail("set up", device_);
}

}  // namespace snapclone::test
