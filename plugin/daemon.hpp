// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/dispatch.hpp"
#include "api/metrics_file.hpp"
#include "api/server.hpp"
#include "config.hpp"
#include "image/space.hpp"
#include "place.hpp"
#include "volume/store.hpp"
#include "workers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <optional>
#include <string>

namespace snapclone {

// The plugin as one object: the Store, the Server before it, and the threads between them.
class Daemon {
 public:
  // Opens the pool and tries the backend out on it, before there is a socket: the engine disables a
  // plugin that ends without one, and restarts any other for ever. Throws std::exception with the
  // sentence for the log.
  explicit Daemon(Config const& config, Place const& place = {});
  // Waits for the verbs that run: they use everything else here.
  ~Daemon();
  Daemon(Daemon const&) = delete;
  Daemon& operator=(Daemon const&) = delete;

  // Serves until SIGTERM, SIGINT or stop(), then answers what is running, and returns the exit
  // code. Listens before it recovers, because the engine waits only seconds for the socket.
  // Requests wait until recovery ends.
  int run();

  // Ends run() as SIGTERM does. Safe from every thread.
  void stop();

 private:
  void recover();
  void write_metrics();
  void write_metrics_later();
  void drain();
  void stop_when_idle();
  void end(int exit_code);

  std::string const notify_socket_;
  bool const writes_metrics_;
  boost::asio::io_context io_{1};
  std::optional<image::Space> space_;  // of the image, if there is one
  volume::Store store_;
  api::Metrics metrics_;
  api::MetricsFile metrics_file_;
  bool metrics_fail_ = false;  // of the one worker that writes them
  api::Dispatch dispatch_;
  api::Server server_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer deadline_{io_};
  boost::asio::steady_timer pause_{io_};
  boost::asio::steady_timer next_metrics_{io_};
  int exit_code_ = 0;
  Workers quick_;
  Workers slow_;
};

}  // namespace snapclone
