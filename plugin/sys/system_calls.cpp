// SPDX-License-Identifier: Apache-2.0
#include "sys/system_calls.hpp"

#include "sys/error.hpp"
#include "sys/xfs_calls.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <linux/btrfs.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

namespace snapclone::sys {
namespace {

// The calls of the program and its libraries, in every form that C libraries use: newer
// architectures have no mkdir(2), only mkdirat(2). A form that the oldest supported C library does
// not use any more is left out.
constexpr char const* kListed[] = {
    // descriptors
    "openat", "openat2", "close", "fcntl", "flock", "read", "pread64", "write", "writev",
    "pwrite64", "lseek", "fsync", "syncfs", "ftruncate", "fallocate", "copy_file_range",
    "getdents64", "pipe2", "fchdir",
    // looking at files
    "fstat", "newfstatat", "statx", "statfs", "fstatfs", "readlink", "readlinkat",
    // making, moving and removing them
    "mkdir", "mkdirat", "mknodat", "linkat", "symlinkat", "rename", "renameat", "renameat2",
    "unlink", "unlinkat", "rmdir",
    // their attributes
    "chmod", "fchmod", "fchmodat", "fchown", "fchownat", "utimensat", "getxattr", "fgetxattr",
    "listxattr", "flistxattr", "setxattr", "fsetxattr", "removexattr", "fremovexattr",
    // mounting; mount is below
    "umount2", "fsopen", "fsconfig",
    // the engine's requests; socket is below
    "bind", "listen", "accept", "accept4", "connect", "getsockopt", "setsockopt", "sendto",
    "sendmsg", "recvfrom", "recvmsg", "poll", "ppoll", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait", "eventfd2", "timerfd_create", "timerfd_settime",
    // threads; clone and unshare are below
    "futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "setpriority", "gettid",
    "getpid", "geteuid", "exit", "exit_group",
    // signals and time
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "restart_syscall",
    "nanosleep", "clock_nanosleep", "clock_gettime",
    // memory; mmap and mprotect are below
    "brk", "munmap", "mremap", "madvise", "getrandom",
#ifdef __SANITIZE_ADDRESS__
    "sigaltstack",  // at every exception
#endif
    // a thread that gives up a capability for a trial; none can be gained with it
    "capget", "capset"};

// A call that is allowed if (argument & mask) == value.
struct Limited {
  char const* call;
  unsigned argument;
  std::uint64_t mask;
  std::uint64_t value;
};

constexpr std::uint64_t kInt = 0xffffffff;  // the kernel does not look at the other half
constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::uint64_t kMountFlags =
    MS_RDONLY | MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_RELATIME;
constexpr std::uint64_t kSetVma = 0x53564d41;  // PR_SET_VMA: newer glibc names its memory

constexpr Limited kLimited[] = {
    {"clone", 0, CLONE_THREAD | kNamespaces, CLONE_THREAD},  // threads, but no processes
    {"unshare", 0, ~std::uint64_t{0}, CLONE_FS},             // a working directory for a thread
    {"socket", 0, kInt, AF_UNIX},
    {"mount", 3, ~kMountFlags, 0},
    {"mmap", 2, PROT_EXEC, 0},  // no new code
    {"mprotect", 2, PROT_EXEC, 0},
    {"prctl", 0, kInt, kSetVma},
    {"ioctl", 1, kInt, FIONBIO},
    {"ioctl", 1, kInt, FIONREAD},
    {"ioctl", 1, kInt, TCGETS},
    {"ioctl", 1, kInt, FICLONE},
    {"ioctl", 1, kInt, FS_IOC_FIEMAP},
    {"ioctl", 1, kInt, FITRIM},
    {"ioctl", 1, kInt, kXfsSetReserve},
    {"ioctl", 1, kInt, kXfsGetReserve},
    {"ioctl", 1, kInt, BTRFS_IOC_SUBVOL_CREATE},
    {"ioctl", 1, kInt, BTRFS_IOC_SUBVOL_CREATE_V2},
    {"ioctl", 1, kInt, BTRFS_IOC_SNAP_CREATE_V2},
    {"ioctl", 1, kInt, BTRFS_IOC_SNAP_DESTROY},
    {"ioctl", 1, kInt, BTRFS_IOC_SUBVOL_GETFLAGS},
    {"ioctl", 1, kInt, BTRFS_IOC_SUBVOL_SETFLAGS},
    {"ioctl", 1, kInt, BTRFS_IOC_TREE_SEARCH},
    {"ioctl", 1, kInt, BTRFS_IOC_INO_LOOKUP},
};

std::atomic<unsigned> refused{0};

// Runs in place of the call. Nothing here may allocate or lock.
void report(int /*signal*/, siginfo_t* info, void* context) {
  std::array<char, 96> line{};
  std::string_view start = "error: refused to make the system call ";
  char* end = std::copy(start.begin(), start.end(), line.begin());
  end = std::to_chars(end, line.end(), info->si_syscall).ptr;
  *end++ = '\n';
  (void)!write(STDERR_FILENO, line.data(), static_cast<std::size_t>(end - line.data()));
  ++refused;
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  registers.gregs[REG_RAX] = -ENOSYS;
#elif defined(__aarch64__)
  registers.regs[0] = static_cast<unsigned long long>(-ENOSYS);
#else
  (void)registers;
  std::abort();  // the call's result cannot be set
#endif
}

void call_report() {
  struct sigaction action {};
  action.sa_sigaction = report;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGSYS, &action, nullptr) != 0) fail("handle", "SIGSYS");
}

class Filter {
 public:
  explicit Filter(std::uint32_t otherwise) : filter_(seccomp_init(otherwise), seccomp_release) {
    if (!filter_) check(-ENOMEM, "make");
    set(SCMP_FLTATR_ACT_BADARCH, otherwise);
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree
    set(SCMP_FLTATR_API_SYSRAWRC, 1);  // the kernel's errno
  }

  void add(std::string const& call, std::vector<scmp_arg_cmp> const& arguments = {},
           std::uint32_t action = SCMP_ACT_ALLOW) {
    int number = seccomp_syscall_resolve_name(call.c_str());
    if (number == __NR_SCMP_ERROR) throw std::logic_error("there is no system call " + call);
    if (number < 0) return;  // not on this architecture
    check(seccomp_rule_add_array(filter_.get(), action, number,
                                 static_cast<unsigned>(arguments.size()), arguments.data()),
          "put " + call + " into");
  }

  void load() { check(seccomp_load(filter_.get()), "load"); }

 private:
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    check(seccomp_attr_set(filter_.get(), attribute, value), "set up");
  }
  static void check(int result, std::string const& step) {
    if (result < 0) throw Error(step, "a filter of system calls", -result);
  }

  std::unique_ptr<void, void (*)(void*)> filter_;
};

}  // namespace

void refuse_unlisted_calls(Unlisted unlisted, std::vector<std::string> const& more) {
  std::uint32_t missing = SCMP_ACT_ERRNO(ENOSYS);
  Filter filter(unlisted == Unlisted::reported ? SCMP_ACT_TRAP : missing);
  for (auto const* call : kListed) filter.add(call);
  for (auto const& call : more) filter.add(call);
  for (auto const& [call, argument, mask, value] : kLimited) {
    filter.add(call, {{argument, SCMP_CMP_MASKED_EQ, mask, value}});
  }
  // abort(3) sends a signal to its own process.
  filter.add("tgkill", {{0, SCMP_CMP_MASKED_EQ, kInt, static_cast<std::uint64_t>(getpid())}});
  if (unlisted == Unlisted::reported) {
    // Its arguments lie in memory, where no filter can look. Every C library that tries it has
    // clone(2) to fall back on, with all signals blocked.
    filter.add("clone3", {}, missing);
    call_report();
  }
  filter.load();
}

unsigned refused_calls() { return refused; }

}  // namespace snapclone::sys
