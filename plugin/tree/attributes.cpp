// SPDX-License-Identifier: Apache-2.0
#include "tree/attributes.hpp"

#include "sys/error.hpp"

#include <vector>

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace snapclone::tree {
namespace {

// Whether the xattr is overlayfs' own and not part of what the tree shows. Overlayfs stores a
// container's xattr of that prefix with the prefix twice.
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

DirectoryAttributes attributes_of(int fd, std::string const& path) {
  struct stat status {};
  if (fstat(fd, &status) != 0) sys::fail("look at", path);
  return {status.st_mode & 07777U, status.st_uid,          status.st_gid,
          status.st_mtim.tv_sec,   status.st_mtim.tv_nsec, read_xattrs(fd, path)};
}

}  // namespace

DirectoryAttributes read_attributes(fs::path const& directory) {
  sys::Fd fd = sys::open_dir(directory);
  return attributes_of(fd.get(), directory.string());
}

// Mostly there is nothing to change but the time: a new directory belongs to root, as most do.
void write_attributes(fs::path const& directory, DirectoryAttributes const& attributes) {
  std::string const& path = directory.string();
  sys::Fd fd = sys::open_dir(directory);
  DirectoryAttributes now = attributes_of(fd.get(), path);
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

}  // namespace snapclone::tree
