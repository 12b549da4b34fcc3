// SPDX-License-Identifier: Apache-2.0
#include "kit/client.hpp"

#include <cerrno>
#include <stdexcept>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

namespace snapclone::test {

std::string post(std::string const& target, std::string const& body,
                 std::string const& more_headers) {
  return "POST " + target + " HTTP/1.1\r\nHost: plugin\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

Client::Client(std::chrono::seconds limit)
    : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (socket_ < 0) throw std::runtime_error("socket failed");
  timeval const longest{limit.count(), 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof longest);
}

Client::Client(std::string const& path, std::chrono::seconds limit) : Client(limit) { dial(path); }

Client::Client(Client&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      received_(std::move(other.received_)),
      waiter_(std::move(other.waiter_)) {}

Client& Client::operator=(Client&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(received_, other.received_);
  std::swap(waiter_, other.waiter_);
  return *this;
}

bool Client::try_dial(std::string const& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

void Client::dial(std::string const& path) {
  if (!try_dial(path)) throw std::runtime_error("nobody listens at " + path);
}

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

HttpReply Client::receive() {
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

HttpReply Client::ask(std::string const& request) {
  send(request);
  return receive();
}

bool Client::is_silent(std::chrono::milliseconds how_long) const {
  pollfd entry{socket_, POLLIN, 0};
  return poll(&entry, 1, static_cast<int>(how_long.count())) == 0;
}

void Client::finish_sending() { shutdown(socket_, SHUT_WR); }
void Client::refuse_to_read() { shutdown(socket_, SHUT_RD); }

void Client::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

bool Client::read_more() {
  if (waiter_ && !waiter_(socket_)) return false;
  char bytes[65536];
  ssize_t const size = recv(socket_, bytes, sizeof bytes, 0);
  if (size < 0 && errno != ECONNRESET) throw std::runtime_error("nothing came from the server");
  if (size > 0) received_.append(bytes, static_cast<std::size_t>(size));
  return size > 0;
}

}  // namespace snapclone::test
