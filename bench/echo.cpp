// SPDX-License-Identifier: Apache-2.0
#include "bench/echo.hpp"

#include "sys/error.hpp"

#include <string>

#include <sys/socket.h>
#include <unistd.h>

namespace snapclone::bench {

Echo::Echo(std::size_t answer) : answer_(answer) {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_) != 0) sys::fail("make", "a socket");
  thread_ = std::thread([this] {
    std::string text(answer_, 'x');
    for (char byte = 0; read(ends_[1], &byte, 1) == 1;) {
      if (send(ends_[1], text.data(), text.size(), MSG_NOSIGNAL) < 0) return;
    }
  });
}

Echo::~Echo() {
  shutdown(ends_[0], SHUT_RDWR);
  thread_.join();
  close(ends_[0]);
  close(ends_[1]);
}

void Echo::exchange() {
  std::string text(answer_, '\0');
  if (write(ends_[0], "x", 1) != 1 ||
      recv(ends_[0], text.data(), text.size(), MSG_WAITALL) != static_cast<ssize_t>(answer_)) {
    sys::fail("exchange bytes on", "a socket");
  }
}

}  // namespace snapclone::bench
