// SPDX-License-Identifier: Apache-2.0
#include "api/server.hpp"

#include "api/protocol.hpp"
#include "volume/policy.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <exception>
#include <optional>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace snapclone::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Local = asio::local::stream_protocol;
using Parser = http::request_parser<http::string_body>;
using Response = http::response<http::string_body>;

namespace {

// Beware of GCC 12: a temporary lambda inside a co_await expression is destroyed twice.
constexpr auto awaited = asio::as_tuple(asio::use_awaitable);
constexpr auto never = asio::steady_timer::time_point::max();
// Where a session waits for its handler. The timer never expires: cancelling it says "look again".
struct Waiting {
  explicit Waiting(asio::io_context& io) : changed(io, never) {}
  asio::steady_timer changed;
  std::optional<Reply> reply;
};

void hand_over(std::weak_ptr<Waiting> const& session, Reply reply) {
  if (auto const waiting = session.lock()) {
    waiting->reply = std::move(reply);
    waiting->changed.cancel();
  } else if (reply.undelivered) {
    reply.undelivered();
  }
}

Response make_response(http::status status, unsigned version, bool keep_alive, std::string body) {
  Response response(status, version);
  response.set(http::field::content_type, "application/vnd.docker.plugins.v1.1+json");
  response.keep_alive(keep_alive);
  response.body() = std::move(body);
  response.prepare_payload();
  return response;
}

Response make_refusal(http::status status, std::string const& sentence) {
  return make_response(status, 11, false, encode_error(sentence));
}

http::status status_for(beast::error_code error) {
  if (error == http::error::body_limit) return http::status::payload_too_large;
  if (error == http::error::header_limit) return http::status::request_header_fields_too_large;
  return http::status::bad_request;
}

bool is_malformed(beast::error_code error) {
  return error.category() == beast::error_code(http::error::bad_method).category();
}

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

// What the Server and its sessions share.
struct Server::Core : std::enable_shared_from_this<Core> {
  class Session;

  explicit Core(asio::io_context& context) : io(context) {}

  void listen();
  [[noreturn]] void cannot_listen(std::string const& reason) const {
    throw std::runtime_error("cannot listen on \"" + socket_path + "\": " + reason);
  }
  void stop_listening();
  asio::awaitable<void> accept_all();
  void begin_session(Local::socket socket);
  void call_if_drained();
  void complain(std::string const& sentence) const {
    if (report) report(sentence);
  }

  asio::io_context& io;
  std::string socket_path;
  Handler handler;
  Limits limits;
  std::function<void(std::string)> report;

  Local::acceptor acceptor{io};
  asio::steady_timer pause{io};  // of the accept loop; cancelling it says "look again"
  bool accepting = false;
  bool draining = false;
  std::function<void()> drained;
  std::unordered_set<Session*> sessions;
};

// One connection.
class Server::Core::Session {
 public:
  Session(std::shared_ptr<Core> core, Local::socket socket)
      : core_(std::move(core)), stream_(std::move(socket)) {}

  asio::awaitable<void> run();

  void close_if_idle() {
    if (idle_) stream_.socket().cancel();
  }
  void close() { stream_.close(); }

 private:
  asio::awaitable<bool> request_begins();
  asio::awaitable<bool> answer(Parser::value_type request);
  asio::awaitable<void> refuse(beast::error_code unreadable);
  asio::awaitable<Reply> ask_handler(std::string target, std::string body);
  asio::awaitable<bool> write(Response response);

  std::shared_ptr<Core> core_;
  beast::basic_stream<Local> stream_;
  beast::flat_buffer buffer_{128 * 1024};  // the parser's limits do not count chunk extensions
  bool idle_ = false;
};

asio::awaitable<void> Server::Core::Session::run() {
  while (co_await request_begins()) {
    Parser parser;
    parser.header_limit(core_->limits.header_bytes);
    parser.body_limit(core_->limits.body_bytes);
    stream_.expires_after(core_->limits.request_time);
    auto const [error, size] = co_await http::async_read(stream_, buffer_, parser, awaited);
    stream_.expires_never();
    if (error) {
      co_await refuse(error);
      co_return;
    }
    if (!stream_.socket().is_open()) co_return;  // the Server was destroyed meanwhile
    bool const goes_on = co_await answer(parser.release());
    if (!goes_on) co_return;
  }
}

// Waits without a limit: the engine keeps idle connections for ever, and when it writes a request
// to one that we have just closed, it repeats the request without its body.
asio::awaitable<bool> Server::Core::Session::request_begins() {
  if (buffer_.size() > 0) co_return true;
  if (!core_->draining) {
    idle_ = true;
    auto const [error] = co_await stream_.socket().async_wait(Local::socket::wait_read, awaited);
    idle_ = false;
    if (!error) co_return true;
  }
  beast::error_code closed;  // a request that came just before the drain is still served
  co_return stream_.socket().available(closed) > 0;
}

// False if the connection is to be closed.
asio::awaitable<bool> Server::Core::Session::answer(Parser::value_type request) {
  if (request.method() != http::verb::post) {
    std::string const method = volume::shown(request.method_string());
    Response refusal =
        make_refusal(http::status::method_not_allowed, "only POST is served here, not " + method);
    refusal.set(http::field::allow, "POST");
    co_await write(std::move(refusal));
    co_return false;
  }
  Reply reply = co_await ask_handler(std::string(request.target()), std::move(request.body()));
  if (reply.hang_up) co_return false;

  bool const keep_alive = request.keep_alive() && !core_->draining;
  auto const status = static_cast<http::status>(reply.status);
  Response response = make_response(status, request.version(), keep_alive, std::move(reply.body));
  // Writing to a unix socket fails if the peer has gone, not if it has only finished sending.
  bool const delivered = co_await write(std::move(response));
  if (delivered) co_return keep_alive;
  if (reply.undelivered) reply.undelivered();
  co_return false;
}

asio::awaitable<void> Server::Core::Session::refuse(beast::error_code unreadable) {
  if (unreadable == http::error::end_of_stream) co_return;  // the client closed an idle connection
  std::string const sentence = "the request cannot be read: " + unreadable.message();
  core_->complain(sentence);
  if (is_malformed(unreadable)) {
    co_await write(make_refusal(status_for(unreadable), sentence));
  }
}

asio::awaitable<Reply> Server::Core::Session::ask_handler(std::string target, std::string body) {
  auto const waiting = std::make_shared<Waiting>(core_->io);
  Respond respond = [&io = core_->io, weak = std::weak_ptr(waiting)](Reply reply) {
    asio::post(io,
               [weak, reply = std::move(reply)]() mutable { hand_over(weak, std::move(reply)); });
  };
  core_->handler(std::move(target), std::move(body), std::move(respond));
  while (!waiting->reply) co_await waiting->changed.async_wait(awaited);
  co_return std::move(*waiting->reply);
}

asio::awaitable<bool> Server::Core::Session::write(Response response) {
  stream_.expires_after(core_->limits.write_time);
  auto const [error, size] = co_await http::async_write(stream_, response, awaited);
  co_return !error;
}

void Server::Core::listen() {
  constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
  if (socket_path.empty() || socket_path.size() > longest) {
    cannot_listen("the path must have 1 to " + std::to_string(longest) + " bytes");
  }
  Local::endpoint const endpoint(socket_path);
  beast::error_code error;

  struct stat existing {};
  if (lstat(socket_path.c_str(), &existing) == 0) {
    if (!S_ISSOCK(existing.st_mode)) cannot_listen("there is a file that is not a socket");
    Local::socket probe(io);
    probe.open();
    probe.non_blocking(true);  // its owner may be stuck
    probe.connect(endpoint, error);
    if (!error) cannot_listen("another process listens there");
    unlink(socket_path.c_str());
  }

  Local::acceptor listener(io);
  listener.open();
  mode_t const usual = umask(0177);
  listener.bind(endpoint, error);
  umask(usual);
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

asio::awaitable<void> Server::Core::accept_all() {
  bool failed = false;
  while (acceptor.is_open()) {
    if (sessions.size() >= limits.connections) {
      // The next ones wait in the kernel's queue. Accepting and closing them would lose requests
      // that have been written already.
      pause.expires_at(never);
      co_await pause.async_wait(awaited);
      continue;
    }
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

void Server::Core::begin_session(Local::socket socket) {
  auto const session = std::make_shared<Session>(shared_from_this(), std::move(socket));
  sessions.insert(session.get());
  auto const ended = [core = shared_from_this(), session](std::exception_ptr failure) {
    if (failure) core->complain("a session failed: " + sentence_of(failure));
    core->sessions.erase(session.get());
    core->pause.cancel();
    core->call_if_drained();
  };
  asio::awaitable<void> run = session->run();
  asio::co_spawn(io, std::move(run), ended);
}

void Server::Core::call_if_drained() {
  if (draining && !accepting && sessions.empty() && drained) std::exchange(drained, nullptr)();
}

Server::Server(asio::io_context& io, std::string socket_path, Handler handler, Limits limits,
               std::function<void(std::string)> report)
    : core_(std::make_shared<Core>(io)) {
  core_->socket_path = std::move(socket_path);
  core_->handler = std::move(handler);
  core_->limits = limits;
  core_->report = std::move(report);
}

Server::~Server() {
  core_->report = nullptr;
  core_->drained = nullptr;
  core_->stop_listening();
  for (Core::Session* session : core_->sessions) session->close();
}

void Server::start() {
  core_->listen();
  core_->accepting = true;
  auto const ended = [core = core_](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);  // nothing can be served any more: leaves run()
    core->accepting = false;
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
  for (Core::Session* session : core_->sessions) session->close_if_idle();
  asio::post(core_->io, [core = core_] { core->call_if_drained(); });
}

std::size_t Server::connections() const { return core_->sessions.size(); }

}  // namespace snapclone::api
