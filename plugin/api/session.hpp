// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/handler.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace snapclone::api {

// Shared by a Server and its sessions.
struct Sharing {
  explicit Sharing(boost::asio::io_context& context) : io(context) {}
  void complain(std::string const& sentence) const {
    if (report) report(sentence);
  }

  boost::asio::io_context& io;
  Handler handler;
  Limits limits;
  std::function<void(std::string)> report;
  bool draining = false;
};

// One connection of a Server, on its thread.
class Session {
 public:
  using Local = boost::asio::local::stream_protocol;
  using Clock = std::chrono::steady_clock;

  Session(std::shared_ptr<Sharing> shared, Local::socket socket)
      : shared_(std::move(shared)), stream_(std::move(socket)) {}

  // Ends when the connection does. The Session must live that long.
  boost::asio::awaitable<void> run();

  // Since when the session has waited for the first byte of a request; nothing while it serves one.
  std::optional<Clock::time_point> idle_since() const { return idle_since_; }

  // Whether its request is with the handler and its client has gone. A client that has only
  // finished sending is not gone.
  bool abandoned();

  // Closes it if it is idle; a request that has come at this very moment is served first.
  void close_if_idle() {
    if (idle_since_) stream_.socket().cancel();
  }
  void close() { stream_.close(); }

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;

  boost::asio::awaitable<bool> request_begins();
  boost::asio::awaitable<boost::beast::error_code> read(Parser& parser);
  boost::asio::awaitable<bool> answer(Parser::value_type request);
  boost::asio::awaitable<void> refuse(boost::beast::error_code unreadable);
  boost::asio::awaitable<Reply> ask_handler(std::string target, std::string body);
  boost::asio::awaitable<bool> write(Response response);

  std::shared_ptr<Sharing> shared_;
  boost::beast::basic_stream<Local> stream_;
  // The parser's limits do not count chunk extensions and trailers.
  boost::beast::flat_buffer buffer_{128 * 1024};
  std::optional<Clock::time_point> idle_since_;
  bool handled_ = false;             // its request is with the handler
  std::function<void()> if_unread_;  // the last answer
};

}  // namespace snapclone::api
