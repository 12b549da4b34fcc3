// SPDX-License-Identifier: Apache-2.0
#include "sys/system_calls.hpp"

#include "kit/requirements.hpp"
#include "sys/capabilities.hpp"
#include "sys/error.hpp"

#include <array>
#include <cerrno>
#include <thread>

#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

constexpr long kNone = -1;  // no descriptor, process, command or set of flags

struct Call {
  char const* name;
  long number;
  std::array<long, 6> arguments = {};
};

// What someone would want who has taken over the process. Where they are not refused, the arguments
// see to it that nothing happens.
constexpr Call kDangerous[] = {
    {"execve", SYS_execve},
    {"execveat", SYS_execveat, {kNone}},
    {"ptrace", SYS_ptrace, {kNone}},
    {"process_vm_readv", SYS_process_vm_readv, {kNone}},
    {"process_vm_writev", SYS_process_vm_writev, {kNone}},
    {"pidfd_open", SYS_pidfd_open, {kNone}},
    {"pidfd_getfd", SYS_pidfd_getfd, {kNone}},
    {"kill", SYS_kill, {0, 64000}},
    {"setns", SYS_setns, {kNone}},
    {"unshare of mounts", SYS_unshare, {CLONE_NEWNS}},
    {"unshare of users", SYS_unshare, {CLONE_NEWUSER}},
    {"unshare of the network", SYS_unshare, {CLONE_NEWNET | CLONE_FS}},
    {"chroot", SYS_chroot},
    {"pivot_root", SYS_pivot_root},
    {"open_by_handle_at", SYS_open_by_handle_at, {kNone}},
    {"name_to_handle_at", SYS_name_to_handle_at, {kNone}},
    {"open_tree", SYS_open_tree, {kNone, 0, kNone}},
    {"move_mount", SYS_move_mount, {kNone, 0, kNone, 0, kNone}},
    {"fsmount", SYS_fsmount, {kNone, kNone}},
    {"fspick", SYS_fspick, {kNone, 0, kNone}},
    {"mount that moves", SYS_mount, {0, 0, 0, MS_MOVE}},
    {"mount that shares", SYS_mount, {0, 0, 0, MS_SHARED}},
    {"mount of all below", SYS_mount, {0, 0, 0, MS_BIND | MS_REC}},
    {"mmap of code", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, kNone}},
    {"mprotect that makes code", SYS_mprotect, {0, 0, PROT_READ | PROT_EXEC}},
    {"socket for IPv4", SYS_socket, {AF_INET, kNone}},
    {"socket for IPv6", SYS_socket, {AF_INET6, kNone}},
    {"socket for netlink", SYS_socket, {AF_NETLINK, kNone}},
    {"socket for packets", SYS_socket, {AF_PACKET, kNone}},
    {"socket for virtual machines", SYS_socket, {AF_VSOCK, kNone}},
    {"init_module", SYS_init_module},
    {"finit_module", SYS_finit_module, {kNone}},
    {"delete_module", SYS_delete_module},
    {"kexec_load", SYS_kexec_load, {0, 0, 0, kNone}},
    {"reboot", SYS_reboot},
    {"bpf", SYS_bpf, {kNone}},
    {"perf_event_open", SYS_perf_event_open},
    {"userfaultfd", SYS_userfaultfd, {kNone}},
    {"io_uring_setup", SYS_io_uring_setup},
    {"fanotify_init", SYS_fanotify_init, {kNone}},
    {"add_key", SYS_add_key},
    {"request_key", SYS_request_key},
    {"keyctl", SYS_keyctl, {kNone}},
    {"swapon", SYS_swapon},
    {"quotactl", SYS_quotactl, {kNone}},
    {"syslog", SYS_syslog, {kNone}},
    {"clock_settime", SYS_clock_settime, {kNone}},
    {"sethostname", SYS_sethostname, {0, kNone}},
    {"personality", SYS_personality, {0xffffffff}},
    {"memfd_create", SYS_memfd_create, {0, kNone}},
    {"prctl that makes it traceable", SYS_prctl, {PR_SET_PTRACER, kNone}},
    {"seccomp", SYS_seccomp, {kNone}},
    {"ioctl that pushes input", SYS_ioctl, {kNone, TIOCSTI}},
    {"ioctl that changes flags", SYS_ioctl, {kNone, FS_IOC_SETFLAGS}},
    {"clone of the process", SYS_clone, {SIGCHLD | CLONE_SIGHAND}},
    {"clone3", SYS_clone3},
};

// 0, or the error that it fails with.
int failure_of(Call const& call) {
  auto const& a = call.arguments;
  errno = 0;
  return syscall(call.number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(system_calls, *boost::unit_test::precondition(kernel_takes_filters))

BOOST_AUTO_TEST_CASE(what_an_intruder_would_want_is_refused) {
  std::array<int, std::size(kDangerous)> failures{};
  in_a_thread([&] {
    sys::keep_needed_capabilities();
    sys::refuse_unlisted_calls(sys::Unlisted::failing);
    for (std::size_t i = 0; i < failures.size(); ++i) failures.at(i) = failure_of(kDangerous[i]);
  });
  for (std::size_t i = 0; i < failures.size(); ++i) {
    BOOST_TEST_CONTEXT(kDangerous[i].name) { BOOST_TEST(failures.at(i) == ENOSYS); }
  }
}

// Otherwise the test above would prove nothing. Not every kernel has every one of them.
BOOST_AUTO_TEST_CASE(without_the_filter_the_kernel_knows_most_of_these_calls) {
  std::size_t known = 0;
  in_a_thread([&] {
    for (auto const& call : kDangerous) known += failure_of(call) != ENOSYS ? 1U : 0U;
  });
  BOOST_TEST(known > std::size(kDangerous) * 3 / 4);
}

BOOST_AUTO_TEST_CASE(a_process_cannot_be_started_and_a_thread_can) {
  pid_t child = 0;
  int failure = 0;
  bool ran = false;
  bool limited = false;
  in_a_thread([&] {
    sys::refuse_unlisted_calls(sys::Unlisted::failing);
    child = fork();
    if (child == 0) _exit(0);
    failure = errno;
    std::thread([&] {
      ran = true;
      limited = chroot("/nowhere") != 0 && errno == ENOSYS;
    }).join();
  });
  BOOST_TEST(child == -1);
  BOOST_TEST(failure == ENOSYS);
  BOOST_TEST(ran);
  BOOST_TEST(limited);
}

#ifdef __x86_64__
// The calls of x32 programs have other numbers, which no list of ours is about.
BOOST_AUTO_TEST_CASE(calls_of_another_architecture_are_refused) {
  constexpr long kX32 = 0x40000000;
  int failure = 0;
  in_a_thread([&] {
    sys::refuse_unlisted_calls(sys::Unlisted::failing);
    failure = syscall(kX32 | SYS_getpid) < 0 ? errno : 0;
  });
  BOOST_TEST(failure == ENOSYS);
}
#endif

BOOST_AUTO_TEST_CASE(what_is_refused_can_be_reported_and_the_program_goes_on) {
  std::array<int, 2> pipe_ends{};
  BOOST_REQUIRE(pipe2(pipe_ends.data(), O_CLOEXEC) == 0);
  int standard_error = dup(STDERR_FILENO);
  unsigned before = sys::refused_calls();
  int failure = 0;
  in_a_thread([&] {
    sys::refuse_unlisted_calls(sys::Unlisted::reported, {"dup2"});
    dup2(pipe_ends[1], STDERR_FILENO);
    failure = chroot("/nowhere") != 0 ? errno : 0;
    std::thread([] { (void)!chroot("/nowhere"); }).join();
    dup2(standard_error, STDERR_FILENO);
  });
  close(standard_error);
  close(pipe_ends[1]);
  std::array<char, 512> text{};
  ssize_t size = read(pipe_ends[0], text.data(), text.size());
  close(pipe_ends[0]);
  std::string line = "error: refused to make the system call " + std::to_string(SYS_chroot) + "\n";
  BOOST_TEST(failure == ENOSYS);
  BOOST_TEST(sys::refused_calls() == before + 2);
  BOOST_TEST(std::string(text.data(), static_cast<std::size_t>(size)) == line + line);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
