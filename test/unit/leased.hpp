// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <cerrno>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::test {

namespace fs = boost::filesystem;

// A process that has a write lease on a file (fcntl(2)), and gives it up when somebody wants to
// open the file, or never: then the kernel takes it away after 45 s.
class Leased {
 public:
  Leased(fs::path path, bool gives_up) : path_(std::move(path)) {
    if (pipe2(said_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    child_ = fork();
    if (child_ == 0) hold(gives_up);
    char first = 0;
    if (read(said_[0], &first, 1) != 1 || first != 'y') throw std::runtime_error("no lease");
  }
  ~Leased() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    for (int fd : said_) close(fd);
  }
  Leased(Leased const&) = delete;
  Leased& operator=(Leased const&) = delete;

  // Whether somebody has tried to open the file.
  bool wanted() const {
    pollfd entry{said_[0], POLLIN, 0};
    return poll(&entry, 1, 0) == 1;
  }

  bool is_held() const {
    int fd = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) close(fd);
    return fd < 0 && errno == EWOULDBLOCK;
  }

 private:
  [[noreturn]] void hold(bool gives_up) const {
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
  void say(char byte) const {
    if (write(said_[1], &byte, 1) != 1) _exit(1);
  }

  fs::path const path_;
  int said_[2];
  pid_t child_;
};

}  // namespace snapclone::test
