// SPDX-License-Identifier: Apache-2.0
#include "tree/copy_file.hpp"

#include "sys/cancelled.hpp"
#include "sys/error.hpp"
#include "tree/open_beneath.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace snapclone::tree {
namespace {

constexpr std::size_t kChunk = 16U << 20U;  // a hundredth of a second on a good disk
constexpr std::size_t kBuffer = 128U << 10U;
constexpr std::size_t kLargestXattr = 65536;  // XATTR_LIST_MAX and XATTR_SIZE_MAX

// Whether the next way of copying is to be tried after this errno. `supported` becomes false if
// this way cannot work for any file.
bool should_fall_back(int code, std::atomic<bool>& supported) {
  switch (code) {
    case EOPNOTSUPP:  // ext4, tmpfs and xfs without reflinks
    case EXDEV:       // two file systems; reflinks before Linux 5.18: two mounts of one
    case ENOTTY:      // file systems that do not know the request, such as FUSE's
    case ENOSYS:      // a seccomp filter that does not know the call
      supported = false;
      return true;
    case EINVAL:   // this file alone: btrfs without copy-on-write (chattr +C), xfs realtime
    case ETXTBSY:  // this file alone: a swap file in use
      return true;
    default:
      return false;
  }
}

std::vector<std::string> list_xattrs(int fd, TreePath const& place,
                                     std::string const& step = "list the extended attributes of") {
  auto names = std::make_unique_for_overwrite<char[]>(kLargestXattr);
  ssize_t length = listxattr(proc_path(fd).c_str(), names.get(), kLargestXattr);
  if (length < 0 && errno == EOPNOTSUPP) return {};
  if (length < 0) sys::fail(step, place.text());
  std::vector<std::string> list;
  for (char const* name = names.get(); name < names.get() + length;
       name += list.back().size() + 1) {
    list.emplace_back(name);
  }
  return list;
}

std::string stored_name(std::string const& name, bool through_overlay) {
  constexpr std::string_view kMark = "trusted.overlay.";
  bool escape = through_overlay && name.rfind(kMark, 0) == 0;
  return escape ? std::string(kMark) + "overlay." + name.substr(kMark.size()) : name;
}

void set_xattrs(Original const& from, Xattrs const& xattrs, int to, bool through_overlay) {
  std::string target = proc_path(to);
  for (auto const& [name, value] : xattrs) {
    if (setxattr(target.c_str(), stored_name(name, through_overlay).c_str(), value.data(),
                 value.size(), 0) != 0) {
      sys::fail("set the extended attribute " + name + " of the copy of", from.place.text());
    }
  }
}

// On xfs root sees each ACL a second time, under the name that xfs stores it by. On another file
// system that would be an attribute like any other.
void leave_out_second_acls(std::vector<std::string>& names) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"system.posix_acl_access", "trusted.SGI_ACL_FILE"},
      {"system.posix_acl_default", "trusted.SGI_ACL_DEFAULT"}};
  for (auto const& [acl, second] : kNames) {
    if (std::find(names.begin(), names.end(), acl) != names.end()) std::erase(names, second);
  }
}

timespec time_of(statx_timestamp const& time) { return {time.tv_sec, time.tv_nsec}; }

}  // namespace

Original stat_original(sys::Fd fd, TreePath place) {
  if (fd.get() < 0) sys::fail("open", place.text());
  Original found{std::move(fd), {}, std::move(place)};
  unsigned mask = STATX_BASIC_STATS | STATX_BTIME;
  if (statx(found.fd.get(), "", AT_EMPTY_PATH, mask, &found.status) != 0) {
    sys::fail("look at", found.place.text());
  }
  return found;
}

Xattrs read_xattrs(Original const& from) {
  std::vector<std::string> names = list_xattrs(from.fd.get(), from.place);
  if (names.empty()) return {};
  leave_out_second_acls(names);
  Xattrs xattrs;
  std::string source = proc_path(from.fd.get());
  auto value = std::make_unique_for_overwrite<char[]>(kLargestXattr);
  for (auto const& name : names) {
    ssize_t size = getxattr(source.c_str(), name.c_str(), value.get(), kLargestXattr);
    if (size < 0 && errno == ENODATA) continue;  // removed meanwhile
    if (size < 0) sys::fail("read the extended attribute " + name + " of", from.place.text());
    xattrs.emplace_back(name, std::string(value.get(), static_cast<std::size_t>(size)));
  }
  return xattrs;
}

sys::Fd make_copy(Original const& from, int directory, std::string const& name) {
  auto made = [&](int result) {
    if (result < 0) sys::fail("make the copy of", from.place.text());
    return result;
  };
  unsigned type = from.status.stx_mode & S_IFMT;
  if (type == S_IFREG) {
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return sys::Fd(made(openat(directory, name.c_str(), flags, 0600)));
  }
  if (type == S_IFDIR) {
    made(mkdirat(directory, name.c_str(), 0700));
  } else if (type == S_IFLNK) {
    char target[PATH_MAX] = {};  // with room for the zero at its end
    if (readlinkat(from.fd.get(), "", target, sizeof target - 1) < 0)
      sys::fail("read", from.place.text());
    made(symlinkat(target, directory, name.c_str()));
  } else {
    dev_t device = makedev(from.status.stx_rdev_major, from.status.stx_rdev_minor);
    made(mknodat(directory, name.c_str(), type | 0600U, device));
  }
  sys::Fd copy = open_beneath(directory, name);
  if (copy.get() < 0) sys::fail("open the copy of", from.place.text());
  return copy;
}

void ContentCopier::copy(Original const& from, int to) {
  auto size = static_cast<off_t>(from.status.stx_size);
  if (size == 0) return;
  sys::Fd source = open_content(from);
  if (reflink(source.get(), to, from.place)) return;
  if (copy_extents(source.get(), to, size, from.place) == size) return;
  // It ends in a hole, or has shrunk.
  struct stat now {};
  if (fstat(source.get(), &now) != 0) sys::fail("look at", from.place.text());
  if (ftruncate(to, std::min(size, now.st_size)) != 0) sys::fail("copy", from.place.text());
}

// Opens the path of the descriptor, so that it can only be this regular file: opening a device or a
// fifo has effects. O_NOATIME, because a snapshot never changes. Opening a file that somebody has a
// lease on may block for 45 s (/proc/sys/fs/lease-break-time), and then nothing can cancel it. So
// this tries without blocking until the lease is gone.
sys::Fd ContentCopier::open_content(Original const& from) {
  constexpr std::chrono::milliseconds kTryAgain{20};
  std::string const path = proc_path(from.fd.get());
  for (;;) {
    sys::Fd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
    if (fd.get() >= 0) return fd;
    if (errno != EWOULDBLOCK) sys::fail("open", from.place.text());
    sys::throw_if_cancelled(stop_);
    if ((lease_wait_ -= kTryAgain.count()) < 0) {
      throw sys::Error("wait any longer for whoever has a lease on", from.place.text(),
                       EWOULDBLOCK);
    }
    std::this_thread::sleep_for(kTryAgain);
  }
}

bool ContentCopier::reflink(int from, int to, TreePath const& place) {
  if (!reflinks_) return false;
  if (ioctl(to, FICLONE, from) == 0) return true;
  if (!should_fall_back(errno, reflinks_)) sys::fail("copy", place.text());
  return false;
}

// Returns the end of the last extent that was copied.
off_t ContentCopier::copy_extents(int from, int to, off_t size, TreePath const& place) {
  off_t done = 0;
  while (done < size) {
    off_t begin = lseek(from, done, SEEK_DATA);
    off_t end = begin < 0 ? begin : lseek(from, begin, SEEK_HOLE);
    if (end < 0 && errno == ENXIO) return done;  // nothing but a hole, or nothing at all
    if (end < 0) sys::fail("look for holes in", place.text());
    if (begin >= size) return done;
    end = std::min(end, size);
    done = copy_extent(from, to, begin, end, place);
    if (done < end) return done;
  }
  return done;
}

off_t ContentCopier::copy_extent(int from, int to, off_t begin, off_t end, TreePath const& place) {
  while (begin < end) {
    sys::throw_if_cancelled(stop_);
    std::size_t length = std::min(static_cast<std::size_t>(end - begin), kChunk);
    std::size_t copied = copy_some(from, to, begin, length, place);
    if (copied == 0) break;
    begin += static_cast<off_t>(copied);
  }
  return begin;
}

// Returns how much was copied: 0 at the end of the file.
std::size_t ContentCopier::copy_some(int from, int to, off_t at, std::size_t length,
                                     TreePath const& place) {
  if (ranges_) {
    off_t in = at;
    off_t out = at;
    ssize_t copied = copy_file_range(from, &in, to, &out, length, 0);
    if (copied > 0) return static_cast<std::size_t>(copied);
    if (copied < 0 && !should_fall_back(errno, ranges_)) sys::fail("copy", place.text());
  }
  char buffer[kBuffer];
  ssize_t got = pread(from, buffer, std::min(length, kBuffer), at);
  if (got < 0) sys::fail("read", place.text());
  for (ssize_t put = 0; put < got;) {
    ssize_t written = pwrite(to, buffer + put, static_cast<std::size_t>(got - put), at + put);
    if (written < 0) sys::fail("copy", place.text());
    put += written;
  }
  return static_cast<std::size_t>(got);
}

bool can_reflink(fs::path const& from, fs::path const& to) {
  sys::Fd source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (source.get() < 0) sys::fail("open", from.string());
  sys::Fd target(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (target.get() < 0) sys::fail("make", to.string());
  std::atomic<bool> supported{true};
  if (ioctl(target.get(), FICLONE, source.get()) == 0) return true;
  if (!should_fall_back(errno, supported)) sys::fail("share content with", to.string());
  return false;
}

// The order matters: a change of owner takes away the mode's set-id bits and the file's
// capabilities, an ACL changes the mode, and everything changes the times.
void copy_attributes(Original const& from, Xattrs const& xattrs, int to, bool through_overlay) {
  struct statx const& status = from.status;
  if (fchownat(to, "", status.stx_uid, status.stx_gid, AT_EMPTY_PATH) != 0) {
    sys::fail("set the owner of the copy of", from.place.text());
  }
  set_xattrs(from, xattrs, to, through_overlay);
  if (!S_ISLNK(status.stx_mode) && chmod(proc_path(to).c_str(), status.stx_mode & 07777U) != 0) {
    sys::fail("set the mode of the copy of", from.place.text());
  }
  timespec const times[] = {time_of(status.stx_atime), time_of(status.stx_mtime)};
  if (utimensat(to, "", times, AT_EMPTY_PATH) != 0) {  // with AT_EMPTY_PATH since Linux 5.8
    sys::fail("set the times of the copy of", from.place.text());
  }
}

void remove_other_xattrs(Original const& from, int to) {
  std::vector<std::string> wanted = list_xattrs(from.fd.get(), from.place);
  for (auto const& name :
       list_xattrs(to, from.place, "list the extended attributes of the copy of")) {
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end()) continue;
    if (removexattr(proc_path(to).c_str(), name.c_str()) != 0) {
      sys::fail("remove the extended attribute " + name + " of the copy of", from.place.text());
    }
  }
}

}  // namespace snapclone::tree
