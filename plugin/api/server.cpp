// SPDX-License-Identifier: Apache-2.0
#include "api/server.hpp"

#include "api/session.hpp"
#include "sys/error.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace snapclone::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Local = asio::local::stream_protocol;

namespace {

// Beware of GCC 12: a temporary lambda inside a co_await expression is destroyed twice.
constexpr auto awaited = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kLookAgain{100};  // for clients that are idle or have gone

std::string sentence_of(std::exception_ptr const& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (std::exception const& error) {
    return error.what();
  } catch (...) {
    return "unknown exception";
  }
}

}  // namespace

struct Server::Core : Sharing, std::enable_shared_from_this<Core> {
  using Sharing::Sharing;

  void listen();
  [[noreturn]] void cannot_listen(std::string const& reason) const {
    throw std::runtime_error("cannot listen on \"" + socket_path + "\": " + reason);
  }
  void stop_listening();
  asio::awaitable<void> accept_all();
  void begin_session(Local::socket socket);
  bool full();
  asio::awaitable<void> make_room();
  void call_if_drained();
  void fail(std::exception_ptr const& failure);

  std::string socket_path;
  Local::acceptor acceptor{io};
  asio::steady_timer pause{io};  // of the accept loop; cancelling it says "look again"
  bool accepting = false;
  std::function<void()> drained;
  std::function<void(std::string)> on_failure;
  std::unordered_set<Session*> sessions;
};

void Server::Core::listen() {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (socket_path.empty() || socket_path.size() > longest) {
    cannot_listen("the path must have 1 to " + std::to_string(longest) + " bytes");
  }
  Local::endpoint const endpoint(socket_path);
  beast::error_code error;

  struct stat existing {};
  bool const found = lstat(socket_path.c_str(), &existing) == 0;
  if (!found && errno != ENOENT) {
    cannot_listen("it cannot be seen what is there: " + sys::errno_text(errno));
  }
  if (found) {
    if (!S_ISSOCK(existing.st_mode)) cannot_listen("there is a file that is not a socket");
    Local::socket probe(io);
    probe.open();
    probe.non_blocking(true);  // its owner may be stuck
    probe.connect(endpoint, error);
    if (!error) cannot_listen("another process listens there");
    if (unlink(socket_path.c_str()) != 0 && errno != ENOENT) {
      cannot_listen("an old socket there cannot be removed: " + sys::errno_text(errno));
    }
  }

  Local::acceptor listener(io);
  listener.open();
  // Linux gives the file that bind(2) makes the mode of the socket.
  if (fchmod(listener.native_handle(), 0600) != 0) {
    cannot_listen("its mode cannot be set: " + sys::errno_text(errno));
  }
  listener.bind(endpoint, error);
  if (error == beast::errc::no_such_file_or_directory) {
    cannot_listen("its directory does not exist");
  }
  if (error) cannot_listen(error.message());
  listener.listen();
  acceptor = std::move(listener);
}

void Server::Core::stop_listening() {
  if (!acceptor.is_open()) return;
  unlink(socket_path.c_str());
  acceptor.close();
  pause.cancel();
}

// Over the limit the next ones wait in the kernel's queue. Accepting and closing them would lose
// requests that have been written already.
asio::awaitable<void> Server::Core::accept_all() {
  bool failed = false;
  while (acceptor.is_open()) {
    co_await acceptor.async_wait(Local::acceptor::wait_read, awaited);
    while (acceptor.is_open() && full()) co_await make_room();
    auto [error, socket] = co_await acceptor.async_accept(awaited);
    if (!error) {
      begin_session(std::move(socket));
    } else if (acceptor.is_open()) {
      if (!failed) complain("cannot accept connections for now: " + error.message());
      pause.expires_after(std::chrono::milliseconds(100));  // most likely out of descriptors
      co_await pause.async_wait(awaited);
    }
    failed = error.failed();
  }
}

// A request whose client has gone must not keep the engine out while it runs or queues. Up to
// `connections` of these do not count.
bool Server::Core::full() {
  if (sessions.size() < limits.connections) return false;
  auto const abandoned = static_cast<std::size_t>(std::count_if(
      sessions.begin(), sessions.end(), [](Session* session) { return session->abandoned(); }));
  return sessions.size() - std::min(abandoned, limits.connections) >= limits.connections;
}

// Waits until a connection ends or it is time to look again. Closes a connection that has been idle
// for longer than a request may take: clients that connect and say nothing must not keep the engine
// out.
asio::awaitable<void> Server::Core::make_room() {
  auto const unused = [](Session const* session) {
    return session->idle_since().value_or(Session::Clock::time_point::max());
  };
  auto const idlest = std::min_element(sessions.begin(), sessions.end(),
                                       [&](auto* a, auto* b) { return unused(a) < unused(b); });
  auto const now = Session::Clock::now();
  if (idlest != sessions.end() && unused(*idlest) <= now - limits.request_time) {
    (*idlest)->close_if_idle();
  }
  pause.expires_after(std::min(limits.request_time, kLookAgain));
  co_await pause.async_wait(awaited);
}

void Server::Core::begin_session(Local::socket socket) {
  auto const session = std::make_shared<Session>(shared_from_this(), std::move(socket));
  sessions.insert(session.get());
  auto const ended = [core = shared_from_this(), session](std::exception_ptr failure) {
    core->sessions.erase(session.get());
    try {
      if (failure) core->complain("a session failed: " + sentence_of(failure));
      core->pause.cancel();
      core->call_if_drained();
    } catch (...) {
      core->fail(std::current_exception());
    }
  };
  asio::awaitable<void> run = session->run();
  asio::co_spawn(io, std::move(run), ended);
}

void Server::Core::call_if_drained() {
  if (draining && !accepting && sessions.empty() && drained) std::exchange(drained, nullptr)();
}

// The last thing the Server says.
void Server::Core::fail(std::exception_ptr const& failure) {
  stop_listening();
  if (!on_failure) return;
  std::exchange(on_failure, nullptr)("cannot accept connections any more: " + sentence_of(failure));
}

Server::Server(asio::io_context& io, std::string socket_path, Handler handler, Limits limits,
               std::function<void(std::string)> report, std::function<void(std::string)> on_failure)
    : core_(std::make_shared<Core>(io)) {
  core_->socket_path = std::move(socket_path);
  core_->handler = std::move(handler);
  core_->limits = limits;
  core_->report = std::move(report);
  core_->on_failure = std::move(on_failure);
}

Server::~Server() {
  core_->report = nullptr;
  core_->drained = nullptr;
  core_->on_failure = nullptr;
  core_->stop_listening();
  for (Session* session : core_->sessions) session->close();
}

void Server::start() {
  core_->listen();
  core_->accepting = true;
  auto const ended = [core = core_](std::exception_ptr failure) {
    core->accepting = false;
    if (failure) return core->fail(failure);
    core->call_if_drained();
  };
  asio::awaitable<void> accept_all = core_->accept_all();
  asio::co_spawn(core_->io, std::move(accept_all), ended);
}

void Server::drain(std::function<void()> done) {
  if (core_->draining) return;
  core_->draining = true;
  core_->drained = std::move(done);
  core_->stop_listening();
  for (Session* session : core_->sessions) session->close_if_idle();
  asio::post(core_->io, [core = core_] { core->call_if_drained(); });
}

std::size_t Server::connections() const { return core_->sessions.size(); }

}  // namespace snapclone::api
