// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

// A client of the server, made of plain system calls, so that it can do what no HTTP library would.
// It waits for an answer for `patience`, unless told otherwise.
namespace snapclone::api::test {

using namespace std::chrono_literals;

constexpr auto patience = 10s;
constexpr auto blink = 100ms;  // for what must not happen

inline std::string post(std::string const& target, std::string const& body,
                        std::string const& more_headers = "") {
  return "POST " + target + " HTTP/1.1\r\nHost: plugin\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct HttpReply {
  unsigned status = 0;  // 0: the connection was closed instead
  std::string header;
  std::string body;
};

class Client {
 public:
  explicit Client(std::string const& path, std::chrono::seconds limit = patience) : Client(limit) {
    dial(path);
  }

  explicit Client(std::chrono::seconds longest = patience)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (socket_ < 0) throw std::runtime_error("socket failed");
    timeval const limit{longest.count(), 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  Client(Client&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), received_(std::move(other.received_)) {}
  Client& operator=(Client&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(received_, other.received_);
    return *this;
  }
  ~Client() { close(); }

  void dial(std::string const& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("connect failed");
    }
  }

  // A failure shows in what comes back.
  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t const sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  HttpReply receive() {
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return {};
    }
    HttpReply reply;
    reply.header = received_.substr(0, end + 2);
    received_.erase(0, end + 4);
    reply.status = static_cast<unsigned>(std::stoul(reply.header.substr(9, 3)));
    std::string const name = "Content-Length: ";
    std::size_t const length = reply.header.find(name);  // "100 Continue" has none
    std::size_t const size =
        length == std::string::npos ? 0 : std::stoul(reply.header.substr(length + name.size()));
    while (received_.size() < size) {
      if (!read_more()) return {};
    }
    reply.body = received_.substr(0, size);
    received_.erase(0, size);
    return reply;
  }

  HttpReply ask(std::string const& request) {
    send(request);
    return receive();
  }

  // Waits for the server to close; anything it sends first makes this false.
  bool is_closed() { return received_.empty() && !read_more(); }

  bool is_silent(std::chrono::milliseconds how_long = blink) const {
    pollfd entry{socket_, POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(how_long.count())) == 0;
  }

  void finish_sending() { shutdown(socket_, SHUT_WR); }
  void refuse_to_read() { shutdown(socket_, SHUT_RD); }

  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

 private:
  bool read_more() {
    char bytes[16384];
    ssize_t const size = recv(socket_, bytes, sizeof bytes, 0);
    if (size < 0 && errno != ECONNRESET) throw std::runtime_error("nothing came from the server");
    if (size > 0) received_.append(bytes, static_cast<std::size_t>(size));
    return size > 0;
  }

  int socket_;
  std::string received_;
};

}  // namespace snapclone::api::test
