// SPDX-License-Identifier: Apache-2.0
#include "tree/remove_tree.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"

#include <memory>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace snapclone::tree {
namespace {

// A directory below `parent`, reached without following a link or crossing a mount. glibc has no
// wrapper for openat2(2), Linux 5.6.
sys::Fd open_below(int parent, char const* name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  return sys::Fd(static_cast<int>(syscall(SYS_openat2, parent, name, &how, sizeof how)));
}

struct OpenDir {
  std::unique_ptr<DIR, int (*)(DIR*)> stream{nullptr, closedir};
  std::string name;
  bool refilled = false;  // by move_up()
};

// A container chooses how deep its tree is, and each level costs a descriptor: what lies deeper
// than this is moved up to the top first.
constexpr std::size_t kDeepest = 64;

// Moves an entry of the last directory as far up as it goes; false if that is nowhere. A directory
// cannot leave its btrfs subvolume.
bool move_up(std::vector<OpenDir>& path, std::string const& name) {
  std::string moved = "deep-" + sys::random_id();
  int from = dirfd(path.back().stream.get());
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    int to = dirfd(path[i].stream.get());
    if (renameat2(from, name.c_str(), to, moved.c_str(), RENAME_NOREPLACE) == 0) {
      path[i].refilled = true;
      return true;
    }
    if (errno != EXDEV) sys::fail("move up directory", name);
  }
  return false;
}

OpenDir opened(sys::Fd fd, std::string name) {
  OpenDir dir;
  dir.stream.reset(fdopendir(fd.get()));
  if (!dir.stream) sys::fail("list directory", name);
  fd.release();
  dir.name = std::move(name);
  return dir;
}

}  // namespace

void remove_tree(fs::path const& root, std::function<void()> const& pace,
                 Shortcut const& shortcut) {
  if (!sys::exists(root)) return;
  sys::Fd parent = sys::open_dir(root.parent_path());
  std::string top = root.filename().string();
  if (unlinkat(parent.get(), top.c_str(), 0) == 0) return;
  if (errno != EISDIR) sys::fail("remove", root.string());
  sys::Fd fd = open_below(parent.get(), top.c_str());
  if (fd.get() < 0) sys::fail("open directory", root.string());

  std::vector<OpenDir> path;
  path.push_back(opened(std::move(fd), root.string()));
  while (!path.empty()) {
    DIR* stream = path.back().stream.get();
    errno = 0;
    dirent const* entry = readdir(stream);
    if (entry == nullptr) {
      if (errno != 0) sys::fail("list directory", path.back().name);
      std::string done = path.size() == 1 ? top : path.back().name;
      int above = path.size() == 1 ? parent.get() : dirfd(path[path.size() - 2].stream.get());
      if (unlinkat(above, done.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
        path.pop_back();
      } else if (errno == ENOTEMPTY && path.back().refilled) {
        path.back().refilled = false;
        rewinddir(stream);
      } else {
        sys::fail("remove directory", done + " in " + root.string());
      }
      continue;
    }
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    pace();
    if (unlinkat(dirfd(stream), name.c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR) sys::fail("remove", name + " in " + root.string());
    if (shortcut && shortcut(dirfd(stream), name)) continue;
    if (path.size() >= kDeepest && move_up(path, name)) continue;
    sys::Fd below = open_below(dirfd(stream), name.c_str());
    if (below.get() < 0) sys::fail("open directory", name + " in " + root.string());
    path.push_back(opened(std::move(below), name));
  }
}

}  // namespace snapclone::tree
