// SPDX-License-Identifier: Apache-2.0
#include "api/session.hpp"

#include "api/protocol.hpp"
#include "sys/text.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <utility>

#include <poll.h>

namespace snapclone::api {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

using Response = http::response<http::string_body>;

// Beware of GCC 12: a temporary lambda inside a co_await expression is destroyed twice.
constexpr auto awaited = asio::as_tuple(asio::use_awaitable);
constexpr auto never = asio::steady_timer::time_point::max();

// The answer that a session waits for. The timer never expires: cancelling it says "look again".
struct PendingReply {
  explicit PendingReply(asio::io_context& io) : changed(io, never) {}
  asio::steady_timer changed;
  std::optional<Reply> reply;
};

// Undelivered if the session has ended.
void hand_over(std::weak_ptr<PendingReply> const& to, Reply reply) {
  if (auto const pending = to.lock()) {
    pending->reply = std::move(reply);
    pending->changed.cancel();
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

// The error of a request whose body has no certain length, so that client and server could disagree
// where the next request begins. Beast lets these pass (RFC 9112, 6.1 and 6.3).
beast::error_code ambiguous_length(http::request_header<> const& request) {
  std::string_view const length = request[http::field::content_length];
  bool const digits = length.find_first_not_of("0123456789") == std::string_view::npos;
  if (request.count(http::field::content_length) > 1 || !digits) {
    return http::error::bad_content_length;
  }
  if (request.count(http::field::transfer_encoding) == 0) return {};
  bool const chunked = beast::iequals(request[http::field::transfer_encoding], "chunked");
  return chunked && request.version() >= 11 ? beast::error_code()
                                            : http::error::bad_transfer_encoding;
}

bool waits_to_go_on(http::request_header<> const& request) {
  return request.version() >= 11 && beast::iequals(request[http::field::expect], "100-continue");
}

}  // namespace

asio::awaitable<void> Session::run() {
  while (co_await request_begins()) {
    Parser parser;
    parser.header_limit(shared_->limits.header_bytes);
    parser.body_limit(shared_->limits.body_bytes);
    stream_.expires_after(shared_->limits.request_time);
    beast::error_code const error = co_await read(parser);
    stream_.expires_never();
    // Linux reports a reset if the peer closed a unix socket without having read everything.
    bool const answer_lost = error == asio::error::connection_reset;
    if (auto const unread = std::exchange(if_unread_, nullptr); unread && answer_lost) unread();
    if (error) {
      co_await refuse(error);
      co_return;
    }
    if (!stream_.socket().is_open()) co_return;  // the Server was destroyed meanwhile
    bool const goes_on = co_await answer(parser.release());
    if (!goes_on) co_return;
  }
}

bool Session::abandoned() {
  pollfd client{stream_.socket().native_handle(), 0, 0};
  return handled_ && poll(&client, 1, 0) == 1 && (client.revents & POLLHUP) != 0;
}

// Waits without a limit: the engine keeps idle connections for ever, and when it writes a request
// to one that we have just closed, it repeats the request without its body.
asio::awaitable<bool> Session::request_begins() {
  if (buffer_.size() > 0) co_return true;
  if (!shared_->draining) {
    idle_since_ = Clock::now();
    auto const [error] = co_await stream_.socket().async_wait(Local::socket::wait_read, awaited);
    idle_since_.reset();
    if (!error) co_return true;
  }
  beast::error_code closed;  // a request that came just before the drain is still served
  co_return stream_.socket().available(closed) > 0;
}

asio::awaitable<beast::error_code> Session::read(Parser& parser) {
  auto const [bad_header, header] =
      co_await http::async_read_header(stream_, buffer_, parser, awaited);
  if (bad_header) co_return bad_header;
  beast::error_code const doubtful = ambiguous_length(parser.get());
  if (doubtful) co_return doubtful;
  if (waits_to_go_on(parser.get()) && !parser.is_done() && buffer_.size() == 0) {
    constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    auto const [gone, sent] =
        co_await asio::async_write(stream_, asio::buffer(go_on.data(), go_on.size()), awaited);
    if (gone) co_return gone;
  }
  auto const [bad_body, body] = co_await http::async_read(stream_, buffer_, parser, awaited);
  co_return bad_body;
}

// False if the connection is to be closed.
asio::awaitable<bool> Session::answer(Parser::value_type request) {
  if (request.method() != http::verb::post) {
    std::string const method = sys::excerpt(request.method_string());
    Response refusal =
        make_refusal(http::status::method_not_allowed, "only POST is served here, not " + method);
    refusal.set(http::field::allow, "POST");
    co_await write(std::move(refusal));
    co_return false;
  }
  Reply reply = co_await ask_handler(std::string(request.target()), std::move(request.body()));
  if (reply.hang_up) co_return false;

  bool const keep_alive = request.keep_alive() && !shared_->draining;
  auto const status = static_cast<http::status>(reply.status);
  Response response = make_response(status, request.version(), keep_alive, std::move(reply.body));
  // Writing to a unix socket fails if the peer has gone, not if it has only finished sending.
  bool const delivered = co_await write(std::move(response));
  if (delivered) {
    if_unread_ = std::move(reply.undelivered);
    co_return keep_alive;
  }
  if (reply.undelivered) reply.undelivered();
  co_return false;
}

asio::awaitable<void> Session::refuse(beast::error_code unreadable) {
  if (unreadable == http::error::end_of_stream) co_return;  // the client closed an idle connection
  std::string const sentence = "the request cannot be read: " + unreadable.message();
  shared_->report_failure(sentence);
  if (is_malformed(unreadable)) {
    co_await write(make_refusal(status_for(unreadable), sentence));
  }
}

asio::awaitable<Reply> Session::ask_handler(std::string target, std::string body) {
  auto const pending = std::make_shared<PendingReply>(shared_->io);
  Respond respond = [&io = shared_->io, weak = std::weak_ptr(pending)](Reply reply) {
    asio::post(io,
               [weak, reply = std::move(reply)]() mutable { hand_over(weak, std::move(reply)); });
  };
  handled_ = true;
  shared_->handler(std::move(target), std::move(body), std::move(respond));
  while (!pending->reply) co_await pending->changed.async_wait(awaited);
  handled_ = false;
  co_return std::move(*pending->reply);
}

asio::awaitable<bool> Session::write(Response response) {
  stream_.expires_after(shared_->limits.write_time);
  auto const [error, size] = co_await http::async_write(stream_, response, awaited);
  co_return !error;
}

}  // namespace snapclone::api
