// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/eventually.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace snapclone::test {

// A POST request with this body.
std::string post(std::string const& target, std::string const& body,
                 std::string const& more_headers = "");

struct HttpReply {
  unsigned status = 0;  // 0: the connection was closed instead
  std::string header;
  std::string body;
};

// An HTTP client made of plain system calls, so that it can do what no HTTP library would. A reply
// takes one send(2) and one recv(2) if it comes in one piece. For one thread at a time. Throws
// std::runtime_error if nothing comes within the limit.
class Client {
 public:
  explicit Client(std::chrono::seconds limit = kPatience);
  explicit Client(std::string const& path, std::chrono::seconds limit = kPatience);
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  ~Client() { close(); }

  void dial(std::string const& path);      // throws if nobody listens
  bool try_dial(std::string const& path);  // false if nobody listens

  // Called with the socket before each read, to wait for it by other means than the limit. If it
  // returns false the connection counts as closed.
  using Waiter = std::function<bool(int socket)>;
  void wait_with(Waiter waiter) { waiter_ = std::move(waiter); }

  // A failure shows in what comes back.
  void send(std::string_view bytes);
  HttpReply receive();
  HttpReply ask(std::string const& request);

  // Waits for the server to close; anything it sends first makes this false.
  bool is_closed() { return received_.empty() && !read_more(); }

  // Whether nothing comes for so long.
  bool is_silent(std::chrono::milliseconds how_long = 100ms) const;

  void finish_sending();
  void refuse_to_read();
  void close();

 private:
  bool read_more();

  int socket_;
  std::string received_;
  Waiter waiter_;
};

}  // namespace snapclone::test
