// SPDX-License-Identifier: Apache-2.0
#include "tree/disk_usage.hpp"

#include "sys/cancelled.hpp"
#include "sys/dir_stream.hpp"
#include "sys/error.hpp"
#include "tree/open_beneath.hpp"
#include "tree/pending_directories.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

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
std::uint64_t own_bytes(sys::Fd const& entry, std::uint64_t blocks, std::stop_token const& stop) {
  // It does not wait for whoever has a lease on it.
  sys::Fd fd(open(proc_path(entry.get()).c_str(), O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
  if (fd.get() < 0) return blocks;
  std::vector<std::uint64_t> buffer((sizeof(fiemap) + kExtents * sizeof(fiemap_extent)) / 8);
  auto* map = reinterpret_cast<fiemap*>(buffer.data());
  std::uint64_t own = 0;
  for (;;) {
    sys::throw_if_cancelled(stop);
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

// For a call that failed: returns if errno says that the entry was deleted or replaced meanwhile,
// or that a mount is in the way. Every other errno would leave a sum too short, and is thrown.
void expect_gone(TreePath const& place) {
  bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV;
  if (!gone) sys::fail("measure", place.text());
}

// The bytes of one tree, added up.
class Sum {
 public:
  Sum(sys::Fd root, std::stop_token const& stop)
      : root_(std::move(root)), shares_(shares_extents(root_.get())), stop_(stop) {}

  std::uint64_t run(std::string root) {
    waiting_.add({TreePath(std::move(root)), open_beneath(root_.get(), ".")});
    while (!waiting_.empty()) add_directory(waiting_.next());
    return bytes_;
  }

 private:
  void add_directory(Directory directory) {
    if (directory.fd.get() < 0) directory.fd = open_directory_beneath(root_.get(), directory.place);
    if (directory.fd.get() < 0) return expect_gone(directory.place);
    sys::Fd fd(openat(directory.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC));
    if (fd.get() < 0) return expect_gone(directory.place);
    try {
      sys::DirStream entries(std::move(fd), directory.place.text());
      while (auto name = entries.next()) add_entry(directory, std::move(*name));
    } catch (sys::Error const& error) {
      if (error.code() != ENOENT) throw;  // deleted while it was listed
    }
  }

  void add_entry(Directory const& directory, std::string name) {
    sys::throw_if_cancelled(stop_);
    sys::Fd entry = open_beneath(directory.fd.get(), name);
    if (entry.get() < 0) return expect_gone(directory.place.below(std::move(name)));
    struct stat status {};
    if (fstat(entry.get(), &status) != 0) sys::fail("measure", directory.place.text());
    if (!S_ISDIR(status.st_mode) && counted_before(status)) return;
    auto blocks = static_cast<std::uint64_t>(status.st_blocks) * kBlock;
    bool ask = shares_ && S_ISREG(status.st_mode) && blocks > 0;
    bytes_ += ask ? own_bytes(entry, blocks, stop_) : blocks;
    if (S_ISDIR(status.st_mode)) {
      waiting_.add({directory.place.below(std::move(name)), std::move(entry)});
    }
  }

  // Whether another name of the file has been seen.
  bool counted_before(struct stat const& status) {
    if (status.st_nlink < 2) return false;
    auto names = names_seen_.try_emplace({status.st_dev, status.st_ino}, 0).first;
    bool again = ++names->second > 1;
    if (names->second >= status.st_nlink) names_seen_.erase(names);
    return again;
  }

  sys::Fd const root_;
  bool const shares_;
  std::stop_token const stop_;
  std::uint64_t bytes_ = 0;
  std::map<std::pair<dev_t, ino_t>, nlink_t> names_seen_;  // of files that have several
  PendingDirectories<Directory> waiting_;
};

}  // namespace

std::uint64_t disk_usage(fs::path const& root, std::stop_token const& stop) {
  return Sum(sys::open_dir(root), stop).run(root.string());
}

}  // namespace snapclone::tree
