// SPDX-License-Identifier: Apache-2.0
#include "tree/open_beneath.hpp"

#include <string_view>
#include <utility>

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace snapclone::tree {
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

sys::Fd open_beneath(int directory, std::string const& name) {
  return open_path(directory, name, 0);
}

// The kernel takes less than PATH_MAX at once.
sys::Fd open_directory_beneath(int directory, TreePath const& place) {
  sys::Fd at = open_beneath(directory, ".");
  std::string piece;
  for (std::string_view name : place.names()) {
    if (piece.size() + 1 + name.size() >= PATH_MAX) {
      at = open_path(at.get(), piece, O_DIRECTORY);
      if (at.get() < 0) return at;
      piece.clear();
    }
    if (!piece.empty()) piece += '/';
    piece += name;
  }
  return piece.empty() ? std::move(at) : open_path(at.get(), piece, O_DIRECTORY);
}

sys::Fd open_for_listing(int directory) {
  return sys::Fd(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC));
}

}  // namespace snapclone::tree
