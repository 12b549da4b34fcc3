// SPDX-License-Identifier: Apache-2.0
#include "tree/disk_usage.hpp"

#include "sys/error.hpp"
#include "tree/open_beneath.hpp"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace snapclone::tree {
namespace {

constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's is
constexpr std::uint32_t kExtents = 128;
constexpr long kXfsMagic = 0x58465342;

bool shares_extents(int fd) {
  struct statfs status {};
  return fstatfs(fd, &status) == 0 &&
         (status.f_type == BTRFS_SUPER_MAGIC || status.f_type == kXfsMagic);
}

// The unshared bytes of a regular file; all its blocks if the file system does not tell.
std::uint64_t own_bytes(sys::Fd const& held, std::uint64_t blocks,
                        std::function<void()> const& pace) {
  // It does not wait for whoever has a lease on it.
  sys::Fd fd(open(proc_path(held.get()).c_str(), O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
  if (fd.get() < 0) return blocks;
  std::vector<std::uint64_t> buffer((sizeof(fiemap) + kExtents * sizeof(fiemap_extent)) / 8);
  auto* map = reinterpret_cast<fiemap*>(buffer.data());
  std::uint64_t own = 0;
  for (;;) {
    pace();
    map->fm_length = FIEMAP_MAX_OFFSET - map->fm_start;
    map->fm_extent_count = kExtents;
    if (ioctl(fd.get(), FS_IOC_FIEMAP, map) != 0) return blocks;
    if (map->fm_mapped_extents == 0) return own;
    fiemap_extent last{};
    for (std::uint32_t i = 0; i < map->fm_mapped_extents; ++i) {
      last = map->fm_extents[i];
      if ((last.fe_flags & FIEMAP_EXTENT_SHARED) == 0) own += last.fe_length;
    }
    if ((last.fe_flags & FIEMAP_EXTENT_LAST) != 0) return own;
    map->fm_start = last.fe_logical + last.fe_length;
  }
}

struct Directory {
  TreePath place;
  sys::Fd fd;  // closed while too many wait
  void close() { fd = sys::Fd(); }
};

// Lists it; nothing if it has been deleted or replaced meanwhile.
std::unique_ptr<DIR, int (*)(DIR*)> listing(Directory const& directory) {
  sys::Fd fd(openat(directory.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC));
  std::unique_ptr<DIR, int (*)(DIR*)> stream(fd.get() < 0 ? nullptr : fdopendir(fd.get()),
                                             closedir);
  if (stream) {
    fd.release();
  } else if (errno != ENOTDIR && errno != ENOENT) {
    sys::fail("list directory", directory.place.text());
  }
  return stream;
}

}  // namespace

std::uint64_t disk_usage(fs::path const& root, std::function<void()> const& pace) {
  sys::Fd top = sys::open_dir(root);
  bool shares = shares_extents(top.get());
  std::uint64_t bytes = 0;
  std::map<std::pair<dev_t, ino_t>, nlink_t> seen;  // names of files that have more
  PendingDirectories<Directory> waiting;
  waiting.add({TreePath(root.string()), open_beneath(top.get(), ".")});
  while (!waiting.empty()) {
    Directory directory = waiting.next();
    if (directory.fd.get() < 0) directory.fd = open_directory_beneath(top.get(), directory.place);
    if (directory.fd.get() < 0) continue;  // deleted or replaced meanwhile
    auto stream = listing(directory);
    if (!stream) continue;
    while (dirent const* entry = readdir(stream.get())) {
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      pace();
      sys::Fd held = open_beneath(directory.fd.get(), name);
      struct stat status {};
      if (held.get() < 0 || fstat(held.get(), &status) != 0) continue;  // gone, or a mount
      if (status.st_nlink > 1 && !S_ISDIR(status.st_mode)) {
        auto names = seen.try_emplace({status.st_dev, status.st_ino}, 0).first;
        bool again = ++names->second > 1;
        if (names->second >= status.st_nlink) seen.erase(names);
        if (again) continue;
      }
      auto blocks = static_cast<std::uint64_t>(status.st_blocks) * kBlock;
      bool ask = shares && S_ISREG(status.st_mode) && blocks > 0;
      bytes += ask ? own_bytes(held, blocks, pace) : blocks;
      if (S_ISDIR(status.st_mode)) waiting.add({directory.place.below(name), std::move(held)});
    }
  }
  return bytes;
}

}  // namespace snapclone::tree
