// SPDX-License-Identifier: Apache-2.0
#include "fault/calls.hpp"

#include "sys/xfs_calls.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include <fcntl.h>
#include <limits.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

using Errors = std::vector<int>;

Errors const kMaking = {ENOSPC, EIO, ENOMEM, EPERM};
Errors const kOpening = {EMFILE, EIO, ENOMEM};
Errors const kMoving = {ENOSPC, EIO, EPERM, ENOMEM, EBUSY};
Errors const kRemoving = {EIO, EBUSY, EPERM, ENOSPC};
Errors const kWriting = {ENOSPC, EIO};
Errors const kMarking = {ENOSPC, EIO, EPERM};
Errors const kLooking = {EIO, ENOMEM};
Errors const kMounting = {ENOMEM, EPERM, EIO, ENOSPC, EBUSY};
Errors const kAttaching = {ENOMEM, EPERM, EIO, EBUSY};
Errors const kStarting = {EAGAIN};  // all that the C library knows

std::string descriptor_path(pid_t thread, std::uint64_t fd) {
  std::string link = "/proc/" + std::to_string(thread) + "/fd/" + std::to_string(fd);
  char path[PATH_MAX];
  ssize_t size = readlink(link.c_str(), path, sizeof path);
  return size < 0 ? "?" : std::string(path, static_cast<std::size_t>(size));
}

// What lies at an address of the thread's memory, up to the end of a page at least.
std::string memory(pid_t thread, std::uint64_t address, std::size_t size) {
  std::string bytes(size, '\0');
  iovec to{bytes.data(), size};
  iovec from{reinterpret_cast<void*>(address), size};  // NOLINT: of another process
  ssize_t got = process_vm_readv(thread, &to, 1, &from, 1, 0);
  bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return bytes;
}

std::string text_at(pid_t thread, std::uint64_t address) {
  if (address == 0) return "";
  constexpr std::size_t kPage = 4096;
  std::string text = memory(thread, address, kPage - address % kPage);
  if (text.find('\0') == std::string::npos) {
    text += memory(thread, address + kPage - address % kPage, kPage);
  }
  return text.substr(0, text.find('\0'));
}

Effect of_open(std::uint64_t flags) {
  bool writes = (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY;
  return writes && (flags & O_PATH) == 0 ? Effect::change : Effect::look;
}

Effect of_openat2(Call const& call) {
  std::string how = memory(call.thread, call.arguments[2], sizeof(open_how));
  if (how.size() < sizeof(open_how)) return Effect::look;
  open_how copy{};
  std::memcpy(&copy, how.data(), sizeof copy);
  return of_open(copy.flags);
}

bool is_file(Call const& call) {
  if (call.arguments[0] <= STDERR_FILENO) return false;  // the log
  return descriptor_path(call.thread, call.arguments[0]).front() == '/';
}

Effect of_write(Call const& call) { return is_file(call) ? Effect::change : Effect::none; }
Effect of_read(Call const& call) { return is_file(call) ? Effect::look : Effect::none; }

// XFS_IOC_FSGROWFSDATA
constexpr unsigned long kGrowXfs = _IOC(_IOC_WRITE, 'X', 110, 16);

Effect of_ioctl(Call const& call) {
  switch (call.arguments[1]) {
    case FICLONE:
    case FICLONERANGE:
    case BTRFS_IOC_SUBVOL_CREATE:
    case BTRFS_IOC_SUBVOL_CREATE_V2:
    case BTRFS_IOC_SNAP_CREATE:
    case BTRFS_IOC_SNAP_CREATE_V2:
    case BTRFS_IOC_SNAP_DESTROY:
    case BTRFS_IOC_SNAP_DESTROY_V2:
    case BTRFS_IOC_SUBVOL_SETFLAGS:
    case LOOP_CONFIGURE:
    case LOOP_SET_CAPACITY:
    case kGrowXfs:
      return Effect::change;
    case LOOP_CTL_GET_FREE:
    case LOOP_GET_STATUS64:
    case sys::kXfsSetReserve:  // until the next mount
    case sys::kXfsGetReserve:
      return Effect::look;
    default:
      return _IOC_TYPE(call.arguments[1]) == BTRFS_IOCTL_MAGIC ? Effect::look : Effect::none;
  }
}

std::string ioctl_name(std::uint64_t request) {
  switch (request) {
    case FICLONE:
    case FICLONERANGE:
      return "clone";
    case BTRFS_IOC_SUBVOL_CREATE:
    case BTRFS_IOC_SUBVOL_CREATE_V2:
      return "btrfs create";
    case BTRFS_IOC_SNAP_CREATE:
    case BTRFS_IOC_SNAP_CREATE_V2:
      return "btrfs snapshot";
    case BTRFS_IOC_SNAP_DESTROY:
    case BTRFS_IOC_SNAP_DESTROY_V2:
      return "btrfs delete";
    case LOOP_CONFIGURE:
      return "attach";
    case LOOP_SET_CAPACITY:
      return "enlarge";
    case LOOP_CTL_GET_FREE:
      return "get a free device of";
    case LOOP_GET_STATUS64:
      return "ask";
    case kGrowXfs:
      return "grow";
    case sys::kXfsSetReserve:
    case sys::kXfsGetReserve:
      return "reserve";
    default:
      return "ioctl";
  }
}

Effect of_fsconfig(Call const& call) {
  return call.arguments[1] == FSCONFIG_CMD_CREATE ? Effect::change : Effect::look;
}

// How the arguments name files, one letter each: a path, a directory's descriptor with a path after
// it, a descriptor, or something else.
struct Known {
  int number;
  char const* name;
  char const* shape;
  Errors errors;
  Effect effect = Effect::change;
  std::function<Effect(Call const&)> decide = {};
};

std::vector<Known> const kKnown = {
    {SYS_mkdirat, "mkdir", "dp", kMaking},
    {SYS_mknodat, "mknod", "dp", kMaking},
    {SYS_symlinkat, "symlink", "-dp", kMaking},
    {SYS_linkat, "link", "dpdp", kMaking},
    {SYS_renameat, "rename", "dpdp", kMoving},
    {SYS_renameat2, "rename", "dpdp", kMoving},
    {SYS_unlinkat, "unlink", "dp", kRemoving},
    {SYS_write, "write", "f", kWriting, Effect::change, of_write},
    {SYS_pwrite64, "write", "f", kWriting, Effect::change, of_write},
    {SYS_writev, "write", "f", kWriting, Effect::change, of_write},
    {SYS_copy_file_range, "copy_file_range", "f-f", kWriting},
    {SYS_ftruncate, "truncate", "f", kWriting},
    {SYS_fallocate, "fallocate", "f", kWriting},
    {SYS_fsync, "fsync", "f", {EIO, ENOSPC}},
    {SYS_fdatasync, "fdatasync", "f", {EIO, ENOSPC}},
    {SYS_syncfs, "syncfs", "f", {EIO, ENOSPC}},
    {SYS_setxattr, "setxattr", "p", kMarking},
    {SYS_lsetxattr, "setxattr", "p", kMarking},
    {SYS_fsetxattr, "setxattr", "f", kMarking},
    {SYS_removexattr, "removexattr", "p", kMarking},
    {SYS_fremovexattr, "removexattr", "f", kMarking},
    {SYS_fchmod, "chmod", "f", kMarking},
    {SYS_fchmodat, "chmod", "dp", kMarking},
    {SYS_fchown, "chown", "f", kMarking},
    {SYS_fchownat, "chown", "dp", kMarking},
    {SYS_utimensat, "utimens", "dp", kMarking},
    {SYS_mount, "mount", "pp", kMounting},
    {SYS_umount2, "umount", "p", {EBUSY, EPERM, ENOMEM}},
    {SYS_move_mount, "move_mount", "dpdp", kMounting},
    {SYS_fsmount, "fsmount", "f", kMounting},
    {SYS_fsopen, "fsopen", "p", kOpening, Effect::look},
    {SYS_fsconfig, "fsconfig", "f", {EBUSY, EIO, ENOMEM, EPERM}, Effect::change, of_fsconfig},
    {SYS_ioctl, "ioctl", "f", kMaking, Effect::change, of_ioctl},
    {SYS_bind, "bind", "f", {EACCES, ENOMEM}},
    {SYS_listen, "listen", "f", {EADDRINUSE}},
    {SYS_openat, "open", "dp", kOpening, Effect::change,
     [](Call const& call) { return of_open(call.arguments[2]); }},
    {SYS_openat2, "open", "dp", kOpening, Effect::look, of_openat2},
    {SYS_read, "read", "f", kLooking, Effect::look, of_read},
    {SYS_pread64, "read", "f", kLooking, Effect::look, of_read},
    {SYS_getdents64, "list", "f", kLooking, Effect::look},
    {SYS_newfstatat, "stat", "dp", kLooking, Effect::look},
    {SYS_statx, "stat", "dp", kLooking, Effect::look},
    {SYS_statfs, "statfs", "p", kLooking, Effect::look},
    {SYS_readlinkat, "readlink", "dp", kLooking, Effect::look},
    {SYS_listxattr, "listxattr", "p", kLooking, Effect::look},
    {SYS_flistxattr, "listxattr", "f", kLooking, Effect::look},
    {SYS_getxattr, "getxattr", "p", kLooking, Effect::look},
    {SYS_fgetxattr, "getxattr", "f", kLooking, Effect::look},
    {SYS_flock, "lock", "f", {ENOLCK}, Effect::look},
    {SYS_fchdir, "chdir", "f", kLooking, Effect::look},
    {SYS_unshare, "unshare", "", {ENOMEM}, Effect::look},
    {SYS_clone, "start a thread", "", kStarting, Effect::look},
    {SYS_clone3, "start a thread", "", kStarting, Effect::look},
    {SYS_sendmsg, "answer", "", {EPIPE}, Effect::answer},
    {SYS_sendto, "answer", "", {EPIPE}, Effect::answer},
#ifdef SYS_mkdir  // architectures that have had these from the beginning
    {SYS_mkdir, "mkdir", "p", kMaking},
    {SYS_mknod, "mknod", "p", kMaking},
    {SYS_symlink, "symlink", "-p", kMaking},
    {SYS_link, "link", "pp", kMaking},
    {SYS_rename, "rename", "pp", kMoving},
    {SYS_unlink, "unlink", "p", kRemoving},
    {SYS_rmdir, "rmdir", "p", kRemoving},
    {SYS_chmod, "chmod", "p", kMarking},
    {SYS_chown, "chown", "p", kMarking},
    {SYS_lchown, "chown", "p", kMarking},
    {SYS_open, "open", "p", kOpening, Effect::change,
     [](Call const& call) { return of_open(call.arguments[1]); }},
    {SYS_stat, "stat", "p", kLooking, Effect::look},
    {SYS_lstat, "stat", "p", kLooking, Effect::look},
    {SYS_fstat, "stat", "f", kLooking, Effect::look},
    {SYS_readlink, "readlink", "p", kLooking, Effect::look},
#endif
};

Known const* known(int number) {
  auto found = std::find_if(kKnown.begin(), kKnown.end(),
                            [&](Known const& entry) { return entry.number == number; });
  return found == kKnown.end() ? nullptr : &*found;
}

}  // namespace

Effect effect_of(Call const& call) {
  Known const* entry = known(call.number);
  if (entry == nullptr) return Effect::none;
  return entry->decide ? entry->decide(call) : entry->effect;
}

std::string described(Call const& call) {
  Known const* entry = known(call.number);
  if (entry == nullptr) return "call " + std::to_string(call.number);
  std::string text = call.number == SYS_ioctl ? ioctl_name(call.arguments[1]) : entry->name;
  bool unnamed = call.number == SYS_openat && (call.arguments[2] & O_TMPFILE) == O_TMPFILE;
  if (unnamed) text = "try";
  std::string directory;
  for (std::size_t i = 0; entry->shape[i] != '\0'; ++i) {
    std::uint64_t argument = call.arguments.at(i);
    if (entry->shape[i] == 'd') {
      bool here = static_cast<int>(argument) == AT_FDCWD;
      directory = here ? "" : descriptor_path(call.thread, argument) + "/";
    } else if (entry->shape[i] == 'p') {
      std::string path = text_at(call.thread, argument);
      text += " " + (path.rfind('/', 0) == 0 ? path : directory + path);
    } else if (entry->shape[i] == 'f') {
      text += " " + descriptor_path(call.thread, argument);
    }
  }
  return text;
}

std::vector<int> errors_of(Call const& call) {
  Known const* entry = known(call.number);
  if (entry == nullptr) return {};
  Errors errors = entry->errors;
  bool attaches = call.number == SYS_ioctl && _IOC_TYPE(call.arguments[1]) == 'L';
  if (attaches) return kAttaching;
  // Only a file that is being made needs space.
  if (entry->errors == kOpening && effect_of(call) == Effect::change) {
    errors.insert(errors.begin(), ENOSPC);
  }
  return errors;
}

std::vector<int> watched_calls(bool looks) {
  std::vector<int> numbers;
  for (auto const& entry : kKnown) {
    if (looks || entry.effect != Effect::look) numbers.push_back(entry.number);
  }
  return numbers;
}

}  // namespace snapclone::test
