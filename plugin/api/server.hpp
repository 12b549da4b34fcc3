// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/handler.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

// HTTP over a unix socket, as the engine speaks it: POST only, one request at a time per
// connection, connections kept for ever while they are idle. If all are taken and another client
// waits, the one that has been idle longest is closed, once it has been idle for longer than a
// request may take. A request whose client has gone still runs to completion. Up to
// Limits::connections of these do not count against the limit.
namespace snapclone::api {

// Everything happens on the one thread that runs the io_context, and every function here must be
// called there (or while nothing runs it). Nothing that fails leaves io_context::run(). The
// io_context outlives the Server and every Respond. Destroying a Server cuts its connections;
// replies that come later are undelivered.
class Server {
 public:
  // `report` gets a sentence for each session that breaks. `on_failure` gets one, at most once,
  // when no further connection can be accepted: the process should end. Both are called on the io
  // thread.
  Server(boost::asio::io_context& io, std::string socket_path, Handler handler, Limits limits = {},
         std::function<void(std::string)> report = {},
         std::function<void(std::string)> on_failure = {});
  ~Server();
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;

  // Listens, replacing a socket that nobody listens on any more. Only root can connect. Throws
  // std::runtime_error with a sentence.
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
