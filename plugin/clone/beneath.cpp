// SPDX-License-Identifier: Apache-2.0
#include "clone/beneath.hpp"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace snapclone::clone {
namespace {

// glibc has no wrapper for openat2(2), Linux 5.6.
sys::Fd open_path(int directory, std::string const& path, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(O_PATH | O_NOFOLLOW | O_CLOEXEC | flags);
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  long fd = syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
  return sys::Fd(static_cast<int>(fd));
}

}  // namespace

sys::Fd hold(int directory, std::string const& name) { return open_path(directory, name, 0); }

// The kernel takes less than PATH_MAX at once.
sys::Fd hold_directory(int directory, std::string const& path) {
  sys::Fd at = hold(directory, ".");
  for (std::size_t begin = 0; begin < path.size() && at.get() >= 0;) {
    std::size_t end = path.size();
    if (end - begin >= PATH_MAX) end = path.rfind('/', begin + PATH_MAX - 1);
    at = open_path(at.get(), path.substr(begin, end - begin), O_DIRECTORY);
    begin = end + 1;
  }
  return at;
}

}  // namespace snapclone::clone
