// SPDX-License-Identifier: Apache-2.0
#include "fault/tracer.hpp"

#include "sys/error.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

// The descriptor over which the listener is sent: that one call must not wait.
constexpr int kSocket = 1000;

sock_filter statement(unsigned code, std::uint32_t value) {
  return BPF_STMT(static_cast<std::uint16_t>(code), value);
}

sock_filter jump(std::uint32_t value, std::size_t if_equal, std::size_t if_not) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, static_cast<std::uint8_t>(if_equal),
                  static_cast<std::uint8_t>(if_not));
}

std::vector<sock_filter> filter(std::vector<int> const& numbers) {
  std::vector<sock_filter> all = {
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      jump(kSocket, numbers.size() + 1, 0),
      statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    all.push_back(jump(static_cast<std::uint32_t>(numbers[i]), numbers.size() - i, 0));
  }
  all.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  all.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  return all;
}

union Control {
  char bytes[CMSG_SPACE(sizeof(int))];
  cmsghdr aligned;
};

msghdr message(iovec& byte, Control& control) {
  msghdr header{};
  header.msg_iov = &byte;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  return header;
}

void send_descriptor(int socket, int fd) {
  char nothing = 0;
  iovec byte{&nothing, 1};
  Control control{};
  msghdr header = message(byte, control);
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  if (sendmsg(socket, &header, 0) != 1) sys::fail("send", "a descriptor");
}

sys::Fd received_descriptor(int socket) {
  char nothing = 0;
  iovec byte{&nothing, 1};
  Control control{};
  msghdr header = message(byte, control);
  if (recvmsg(socket, &header, MSG_CMSG_CLOEXEC) != 1) {
    throw std::runtime_error("the program's calls cannot be seen: it ended at once");
  }
  int fd = -1;
  if (cmsghdr* part = CMSG_FIRSTHDR(&header)) std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
  return sys::Fd(fd);
}

constexpr int kDeleter = 10;  // niceness: volume/trash.cpp
constexpr int kSampler = 19;  // volume/disk_use.cpp

// What these do ends with the mount: image/space.cpp.
constexpr int kFollower = 1;
constexpr int kTidier = 12;

int niceness(pid_t thread) { return getpriority(PRIO_PROCESS, static_cast<id_t>(thread)); }

}  // namespace

Tracer::Tracer(bool looks) : looks_(looks) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    sys::fail("make", "a pair of sockets");
  }
  ours_ = sys::Fd(pair[0]);
  theirs_ = sys::Fd(pair[1]);
}

void Tracer::before_exec() {
  if (dup3(theirs_.get(), kSocket, O_CLOEXEC) < 0) sys::fail("duplicate", "a socket");
  auto program = filter(watched_calls(looks_));
  sock_fprog code{static_cast<unsigned short>(program.size()), program.data()};
  long listener =
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &code);
  if (listener < 0) sys::fail("watch", "the program's system calls");
  send_descriptor(kSocket, static_cast<int>(listener));
}

void Tracer::started(pid_t program) {
  program_ = program;
  theirs_ = sys::Fd();  // a program that ended at once leaves nothing to read then
  listener_ = received_descriptor(ours_.get());
}

void Tracer::handle() {
  seccomp_notif notification{};
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) {
    if (errno == ENOENT || errno == EINTR) return;  // its thread has been killed
    sys::fail("read", "a program's system call");
  }
  Waiting waiting;
  waiting.id = notification.id;
  waiting.call.thread = static_cast<pid_t>(notification.pid);
  waiting.call.number = notification.data.nr;
  for (std::size_t i = 0; i < waiting.call.arguments.size(); ++i) {
    waiting.call.arguments.at(i) = notification.data.args[i];
  }
  int nice = niceness(waiting.call.thread);
  // These come when they like.
  if (nice == kSampler || nice == kFollower || nice == kTidier) return answer(waiting.id, 0);
  waiting.background = nice == kDeleter;
  if (waiting.background && hold_background_) {
    held_.push_back(waiting);
  } else {
    decide(waiting);
  }
}

void Tracer::arm(Fault fault) {
  fault_ = fault;
  armed_ = true;
  struck_ = false;
  count_ = 0;
  seen_.clear();
  target_ = {};
  error_ = 0;
}

void Tracer::hold_background(bool hold) {
  hold_background_ = hold;
  if (hold) return;
  for (auto const& waiting : std::exchange(held_, {})) decide(waiting);
}

void Tracer::decide(Waiting const& waiting) {
  Effect effect = armed_ ? effect_of(waiting.call) : Effect::none;
  bool counts = effect == Effect::change || effect == (looks_ ? Effect::look : Effect::answer);
  if (!counts || struck_) return answer(waiting.id, 0);
  struck_ = ++count_ == fault_.at;
  if (struck_ || describe_all_) {
    seen_.push_back({described(waiting.call), effect, waiting.background, errors_of(waiting.call)});
  }
  if (!struck_) return answer(waiting.id, 0);
  target_ = seen_.back();
  if (fault_.error) {
    error_ = target_.errors.at(std::min(*fault_.error, target_.errors.size() - 1));
    answer(waiting.id, error_);
  } else {
    kill(program_, SIGKILL);
  }
}

void Tracer::answer(std::uint64_t id, int error) const {
  seccomp_notif_resp response{};
  response.id = id;
  response.error = -error;
  if (error == 0) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &response) != 0 && errno != ENOENT) {
    sys::fail("answer", "a program's system call");
  }
}

}  // namespace snapclone::test
