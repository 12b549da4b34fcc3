// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

// HTTP over a unix socket, as the engine speaks it: POST only, one request at a time per
// connection, connections kept for ever while they are idle. If all are taken and another client
// waits, the one that has been idle longest makes room, once that is longer than a request may
// take. Requests whose clients have gone run to their end, and as many of them as there may be
// connections take none.
namespace snapclone::api {

struct Reply {
  unsigned status = 200;
  std::string body = {};
  bool hang_up = false;  // close the connection without an answer

  // Called on the io thread, once, if the client had gone before the reply was written, if writing
  // failed, or if the client closed the connection without having read it. A client that has only
  // finished sending is not gone. Must not block or throw.
  std::function<void()> undelivered = {};
};

// To be called exactly once, from any thread, also before the handler returns.
using Respond = std::function<void(Reply)>;

// Called on the io thread with the target and body of each POST; must not block. If it throws, the
// connection is closed.
using Handler = std::function<void(std::string target, std::string body, Respond respond)>;

struct Limits {
  std::size_t connections = 256;
  std::uint32_t header_bytes = 8 * 1024;
  std::uint64_t body_bytes = 64 * 1024;
  std::chrono::milliseconds request_time{10'000};  // from a request's first byte to its last
  std::chrono::milliseconds write_time{10'000};    // for a whole reply
};

// Everything happens on the one thread that runs the io_context, and every function here must be
// called there (or while nothing runs it). The io_context outlives the Server and every Respond.
// Destroying a Server cuts its connections; replies that come later are undelivered.
class Server {
 public:
  Server(boost::asio::io_context& io, std::string socket_path, Handler handler, Limits limits = {},
         std::function<void(std::string)> report = {});  // gets a sentence per broken session
  ~Server();
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;

  // Listens, replacing a socket that nobody listens on any more. Throws std::runtime_error with a
  // sentence. Changes the process's umask for a moment, so call it before there are threads.
  void start();

  // Removes the socket and closes idle connections; requests that have begun are answered. Then
  // calls done, once. A second drain is ignored.
  void drain(std::function<void()> done);

  std::size_t connections() const;

 private:
  struct Core;
  std::shared_ptr<Core> core_;  // shared with the sessions, which may outlive the Server
};

}  // namespace snapclone::api
