// SPDX-License-Identifier: Apache-2.0
#include "clone/tree.hpp"

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
#include <sys/xattr.h>
#include <unistd.h>

namespace snapclone::clone {
namespace {

// How overlayfs stores a tree, as opposed to what it shows: a container's own xattr of that prefix
// is stored with the prefix twice.
bool is_overlay_mark(std::string const& key) {
  return key.rfind("trusted.overlay.", 0) == 0 && key.rfind("trusted.overlay.overlay.", 0) != 0;
}

std::map<std::string, std::string> read_xattrs(int fd, std::string const& path) {
  ssize_t length = flistxattr(fd, nullptr, 0);
  if (length == 0 || (length < 0 && errno == ENOTSUP)) return {};  // nearly always
  std::vector<char> names(65536);                                  // XATTR_LIST_MAX
  length = flistxattr(fd, names.data(), names.size());
  if (length < 0) sys::fail("list the extended attributes of", path);
  std::map<std::string, std::string> xattrs;
  std::vector<char> value(65536);  // XATTR_SIZE_MAX
  for (char const* name = names.data(); name < names.data() + length;) {
    std::string key = name;
    name += key.size() + 1;
    if (is_overlay_mark(key)) continue;
    ssize_t size = fgetxattr(fd, key.c_str(), value.data(), value.size());
    if (size < 0 && errno == ENODATA) continue;
    if (size < 0) sys::fail("read the extended attribute " + key + " of", path);
    xattrs[key] = std::string(value.data(), static_cast<std::size_t>(size));
  }
  return xattrs;
}

RootAttributes attributes_of(int fd, std::string const& path) {
  struct stat status {};
  if (fstat(fd, &status) != 0) sys::fail("look at", path);
  return {status.st_mode & 07777U, status.st_uid,          status.st_gid,
          status.st_mtim.tv_sec,   status.st_mtim.tv_nsec, read_xattrs(fd, path)};
}

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

RootAttributes read_root(fs::path const& directory) {
  sys::Fd fd = sys::open_dir(directory);
  return attributes_of(fd.get(), directory.string());
}

// Mostly there is nothing to change but the time: a new directory belongs to root, as most do.
void write_root(fs::path const& directory, RootAttributes const& attributes) {
  std::string const& path = directory.string();
  sys::Fd fd = sys::open_dir(directory);
  RootAttributes now = attributes_of(fd.get(), path);
  bool owned = now.uid == attributes.uid && now.gid == attributes.gid;
  if (!owned && fchown(fd.get(), attributes.uid, attributes.gid) != 0) {
    sys::fail("change owner of", path);
  }
  for (auto const& [key, value] : now.xattrs) {
    if (attributes.xattrs.count(key) != 0) continue;
    if (fremovexattr(fd.get(), key.c_str()) != 0) {
      sys::fail("remove the extended attribute " + key + " of", path);
    }
  }
  for (auto const& [key, value] : attributes.xattrs) {
    if (fsetxattr(fd.get(), key.c_str(), value.data(), value.size(), 0) != 0) {
      sys::fail("set the extended attribute " + key + " of", path);
    }
  }
  // After the owner and the ACLs, which may have changed it; times last of all.
  bool as_it_was = owned && now.mode == attributes.mode && now.xattrs == attributes.xattrs;
  if (!as_it_was && fchmod(fd.get(), attributes.mode) != 0) sys::fail("change mode of", path);
  timespec time{attributes.mtime_s, attributes.mtime_ns};
  timespec const times[] = {time, time};
  if (futimens(fd.get(), times) != 0) sys::fail("set the times of", path);
}

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

}  // namespace snapclone::clone
