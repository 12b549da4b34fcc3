// SPDX-License-Identifier: Apache-2.0
#include "kit/loops.hpp"

#include "sys/error.hpp"

#include <functional>

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

// By a node of its own: the test may have a /dev without any.
sys::Fd opened(std::string const& name) {
  constexpr unsigned kLoopMajor = 7;
  std::string node = "/dev/test-" + std::to_string(getpid()) + "-" + name;
  auto number = static_cast<unsigned>(std::stoul(name.substr(std::string("loop").size())));
  if (mknod(node.c_str(), S_IFBLK | 0600, makedev(kLoopMajor, number)) != 0) {
    sys::fail("make", node);
  }
  sys::Fd device(open(node.c_str(), O_RDONLY | O_CLOEXEC));
  unlink(node.c_str());
  return device;
}

std::vector<std::string> loops(std::function<bool(loop_info64 const&)> const& wanted) {
  std::vector<std::string> found;
  for (auto const& name : sys::list_dir("/sys/block")) {
    if (!sys::exists(fs::path("/sys/block") / name / "loop")) continue;
    std::string node = "/dev/" + name;
    sys::Fd device = opened(name);
    loop_info64 info{};
    if (device.get() < 0 || ioctl(device.get(), LOOP_GET_STATUS64, &info) != 0) continue;
    if (wanted(info)) found.push_back(node);
  }
  return found;
}

struct stat status_of(fs::path const& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) sys::fail("look at", path.string());
  return status;
}

}  // namespace

std::vector<std::string> loops_with(fs::path const& file) {
  struct stat status = status_of(file);
  return loops([&](loop_info64 const& info) {
    return info.lo_device == status.st_dev && info.lo_inode == status.st_ino;
  });
}

std::vector<std::string> loops_on(fs::path const& path) {
  struct stat status = status_of(path);
  return loops([&](loop_info64 const& info) { return info.lo_device == status.st_dev; });
}

}  // namespace snapclone::test
