// SPDX-License-Identifier: Apache-2.0
#include "kit/child.hpp"

#include "sys/error.hpp"

#include <array>
#include <exception>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::test {

Child::Child(std::function<std::string()> const& work) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) sys::fail("make", "a pipe");
  pid_ = fork();
  if (pid_ < 0) sys::fail("start", "a process");
  if (pid_ != 0) {
    close(ends[1]);
    said_ = ends[0];
    return;
  }
  int code = 1;
  std::string text;
  try {
    text = work();
    code = 0;
  } catch (std::exception const& error) {
    text = error.what();
  }
  // Not write(2), which the work may have made fail.
  iovec all{text.data(), text.size()};
  bool said = writev(ends[1], &all, 1) == static_cast<ssize_t>(text.size());
  _exit(said ? code : 2);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), said_(std::exchange(other.said_, -1)) {}

Child::~Child() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (said_ >= 0) close(said_);
}

Child::Result Child::wait() {
  Result result;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(said_, buffer.data(), buffer.size())) > 0;) {
    result.text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  int status = 0;
  waitpid(std::exchange(pid_, -1), &status, 0);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return result;
}

Child::Result in_a_child(std::function<std::string()> const& work) { return Child(work).wait(); }

}  // namespace snapclone::test
