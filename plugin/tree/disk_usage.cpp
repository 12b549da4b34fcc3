// SPDX-License-Identifier: Apache-2.0
#include "tree/disk_usage.hpp"

#include "sys/cancelled.hpp"
#include "sys/dir_stream.hpp"
#include "sys/error.hpp"
#include "tree/extents.hpp"
#include "tree/open_beneath.hpp"
#include "tree/pending_directories.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace snapclone::tree {
namespace {

constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's is
constexpr long kXfsMagic = 0x58465342;
constexpr off_t kCopyUpStep = 1 << 20;  // OVL_COPY_UP_CHUNK_SIZE

bool shares_extents(int fd) {
  struct statfs status {};
  return fstatfs(fd, &status) == 0 &&
         (status.f_type == BTRFS_SUPER_MAGIC || status.f_type == kXfsMagic);
}

struct FileUsage {
  std::uint64_t own = 0;
  std::uint64_t shared = 0;
};

// It does not wait for whoever has a lease on the file.
sys::Fd open_file(sys::Fd const& entry) {
  return sys::Fd(
      open(proc_path(entry.get()).c_str(), O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
}

// The bytes in the extents of a regular file. If the file system cannot list these, all its blocks
// count as own.
FileUsage extents_of(sys::Fd const& entry, std::uint64_t blocks, DiskUsageOptions const& options) {
  sys::Fd fd = open_file(entry);
  if (fd.get() < 0) return {blocks, 0};
  FileUsage use;
  bool listed = for_each_extent(fd.get(), [&](fiemap_extent const& extent) {
    sys::throw_if_cancelled(options.stop);
    bool shared = (extent.fe_flags & FIEMAP_EXTENT_SHARED) != 0;
    (shared ? use.shared : use.own) += extent.fe_length;
    if (shared && options.shared_blocks != nullptr) {
      options.shared_blocks->add(extent.fe_physical, extent.fe_length);
    }
    return true;
  });
  return listed ? use : FileUsage{blocks, 0};
}

// The bytes that overlayfs writes when it copies up a file with holes. It copies a mebibyte at a
// time, skips holes before each, and fills the holes inside it.
std::uint64_t copied_up(sys::Fd const& entry, off_t size, std::stop_token const& stop) {
  sys::Fd fd = open_file(entry);
  if (fd.get() < 0) return static_cast<std::uint64_t>(size);
  std::uint64_t copied = 0;
  for (off_t at = 0; at < size;) {
    sys::throw_if_cancelled(stop);
    at = lseek(fd.get(), at, SEEK_DATA);
    if (at < 0 || at >= size) break;  // a hole up to the end
    off_t step = std::min(kCopyUpStep, size - at);
    copied += static_cast<std::uint64_t>(step);
    at += step;
  }
  return copied;
}

// For a call that failed: returns if errno says that the entry was deleted or replaced meanwhile,
// or that a mount is in the way. Every other errno would leave a sum too short, and is thrown.
void expect_gone(TreePath const& place) {
  bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV;
  if (!gone) sys::fail("measure", place.text());
}

// One tree, added up.
class Sum {
 public:
  Sum(sys::Fd root, DiskUsageOptions const& options)
      : root_(std::move(root)), shares_(shares_extents(root_.get())), options_(options) {}

  DiskUsage run(std::string root) {
    waiting_.add({TreePath(std::move(root)), open_beneath(root_.get(), ".")});
    while (!waiting_.empty()) add_directory(waiting_.next());
    return std::move(sum_);
  }

 private:
  void add_directory(PendingDirectory directory) {
    if (directory.fd.get() < 0) directory.fd = open_directory_beneath(root_.get(), directory.place);
    if (directory.fd.get() < 0) return expect_gone(directory.place);
    sys::Fd fd = open_for_listing(directory.fd.get());
    if (fd.get() < 0) return expect_gone(directory.place);
    try {
      sys::DirStream entries(std::move(fd), directory.place.text());
      while (auto name = entries.next()) add_entry(directory, std::move(*name));
    } catch (sys::Error const& error) {
      if (error.code() != ENOENT) throw;  // deleted while it was listed
    }
  }

  void add_entry(PendingDirectory const& directory, std::string name) {
    sys::throw_if_cancelled(options_.stop);
    sys::Fd entry = open_beneath(directory.fd.get(), name);
    if (entry.get() < 0) return expect_gone(directory.place.below(std::move(name)));
    struct stat status {};
    if (fstat(entry.get(), &status) != 0) sys::fail("measure", directory.place.text());
    if (!S_ISDIR(status.st_mode) && counted_before(status)) return;
    auto blocks = static_cast<std::uint64_t>(status.st_blocks) * kBlock;
    bool file = S_ISREG(status.st_mode);
    FileUsage use{blocks, 0};
    if (shares_ && file && blocks > 0) use = extents_of(entry, blocks, options_);
    sum_.own += use.own;
    sum_.shared += use.shared;
    if (!file && !S_ISDIR(status.st_mode)) return;
    TreePath place = directory.place.below(std::move(name));
    if (options_.visit) options_.visit(entry.get(), place);
    if (file) return add_large(entry, status, blocks, place);
    waiting_.add({std::move(place), std::move(entry)});
  }

  // Keeps the file if it is one of the costliest to copy up. Only one with holes must be opened to
  // find that out. A container chooses how deep its files are: no path is kept that is too long for
  // a system call.
  void add_large(sys::Fd const& entry, struct stat const& status, std::uint64_t blocks,
                 TreePath const& place) {
    auto& largest = sum_.largest;
    auto size = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t least = largest.size() < kLargestFiles ? 0 : largest.back().copied;
    if (size <= least || blocks == 0) return;
    std::uint64_t copied = blocks >= size ? size : copied_up(entry, status.st_size, options_.stop);
    if (copied <= least) return;
    std::string path;
    for (auto const& name : place.names()) {
      path += (path.empty() ? "" : "/") + std::string(name);
      if (path.size() >= PATH_MAX) return;
    }
    LargeFile file{std::move(path), size, copied};
    auto after = std::find_if(largest.begin(), largest.end(),
                              [&](LargeFile const& other) { return other.copied < copied; });
    largest.insert(after, std::move(file));
    if (largest.size() > kLargestFiles) largest.pop_back();
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
  DiskUsageOptions const& options_;
  DiskUsage sum_;
  std::map<std::pair<dev_t, ino_t>, nlink_t> names_seen_;  // of files that have several
  PendingDirectories<PendingDirectory> waiting_;
};

}  // namespace

DiskUsage disk_usage(fs::path const& root, DiskUsageOptions const& options) {
  return Sum(sys::open_dir(root), options).run(root.string());
}

}  // namespace snapclone::tree
