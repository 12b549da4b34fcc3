// SPDX-License-Identifier: Apache-2.0
#include "tree/remove_tree.hpp"

#include "sys/cancelled.hpp"
#include "sys/dir_stream.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"

#include <optional>
#include <vector>

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
  std::string name;
  sys::DirStream entries;
  bool refilled = false;  // by move_up()

  OpenDir(sys::Fd directory, std::string own_name, std::string path)
      : name(std::move(own_name)), entries(std::move(directory), std::move(path)) {}
  int descriptor() const { return entries.descriptor(); }
};

// A container chooses how deep its tree is, and each level costs a descriptor. So directories that
// lie deeper than this are moved up first.
constexpr std::size_t kDeepest = 64;

// Moves an entry of the last directory as far up as it goes. False if it can go nowhere, because a
// directory cannot leave its btrfs subvolume.
bool move_up(std::vector<OpenDir>& path, std::string const& name) {
  std::string moved = "deep-" + sys::random_id();
  int from = path.back().descriptor();
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    int to = path[i].descriptor();
    if (renameat2(from, name.c_str(), to, moved.c_str(), RENAME_NOREPLACE) == 0) {
      path[i].refilled = true;
      return true;
    }
    if (errno != EXDEV) sys::fail("move up directory", name);
  }
  return false;
}

}  // namespace

void remove_tree(fs::path const& root, std::stop_token const& stop, Shortcut const& shortcut) {
  if (!sys::exists(root)) return;
  sys::Fd parent = sys::open_dir(root.parent_path());
  std::string top = root.filename().string();
  if (unlinkat(parent.get(), top.c_str(), 0) == 0) return;
  if (errno != EISDIR) sys::fail("remove", root.string());
  sys::Fd fd = open_below(parent.get(), top.c_str());
  if (fd.get() < 0) sys::fail("open directory", root.string());

  std::vector<OpenDir> path;
  path.emplace_back(std::move(fd), top, root.string());
  while (!path.empty()) {
    OpenDir& here = path.back();
    std::optional<std::string> name = here.entries.next();
    if (!name) {
      int above = path.size() == 1 ? parent.get() : path[path.size() - 2].descriptor();
      if (unlinkat(above, here.name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) {
        path.pop_back();
      } else if (errno == ENOTEMPTY && here.refilled) {
        here.refilled = false;
        here.entries.rewind();
      } else {
        sys::fail("remove directory", here.name + " in " + root.string());
      }
      continue;
    }
    sys::throw_if_cancelled(stop);
    if (unlinkat(here.descriptor(), name->c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR) sys::fail("remove", *name + " in " + root.string());
    if (shortcut && shortcut(here.descriptor(), *name)) continue;
    if (path.size() >= kDeepest && move_up(path, *name)) continue;
    sys::Fd below = open_below(here.descriptor(), name->c_str());
    std::string path_shown = *name + " in " + root.string();
    if (below.get() < 0) sys::fail("open directory", path_shown);
    path.emplace_back(std::move(below), *name, path_shown);
  }
}

}  // namespace snapclone::tree
