// SPDX-License-Identifier: Apache-2.0
#include "kit/leased.hpp"

#include <cerrno>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::test {

Leased::Leased(fs::path path, bool gives_up) : path_(std::move(path)) {
  if (pipe2(said_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  child_ = fork();
  if (child_ == 0) hold(gives_up);
  char first = 0;
  if (read(said_[0], &first, 1) != 1 || first != 'y') throw std::runtime_error("no lease");
}

Leased::~Leased() {
  kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
  for (int fd : said_) close(fd);
}

bool Leased::wanted() const {
  pollfd entry{said_[0], POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

bool Leased::is_held() const {
  int fd = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) close(fd);
  return fd < 0 && errno == EWOULDBLOCK;
}

void Leased::hold(bool gives_up) const {
  sigset_t io;
  sigemptyset(&io);
  sigaddset(&io, SIGIO);
  sigprocmask(SIG_BLOCK, &io, nullptr);
  int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
  say(fcntl(fd, F_SETLEASE, F_WRLCK) == 0 ? 'y' : 'n');
  int signal = 0;
  sigwait(&io, &signal);
  say('w');
  if (gives_up) fcntl(fd, F_SETLEASE, F_UNLCK);
  for (;;) pause();
}

void Leased::say(char byte) const {
  if (write(said_[1], &byte, 1) != 1) _exit(1);
}

}  // namespace snapclone::test
