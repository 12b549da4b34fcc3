// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/server.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

// What the tests of the server share: a client made of plain system calls, and a server on a
// thread of its own. Nothing waits longer than `patience`.
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
  explicit Client(std::string const& path) : Client() { dial(path); }

  Client() : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (socket_ < 0) throw std::runtime_error("socket failed");
    timeval const limit{std::chrono::seconds(patience).count(), 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  Client(Client&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), received_(std::move(other.received_)) {}
  Client& operator=(Client&&) = delete;
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
    std::size_t const size = std::stoul(reply.header.substr(reply.header.find(name) + name.size()));
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

  bool is_silent() const {
    pollfd entry{socket_, POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(std::chrono::milliseconds(blink).count())) == 0;
  }

  void finish_sending() { shutdown(socket_, SHUT_WR); }

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

template <typename Predicate>
bool eventually(Predicate predicate) {
  auto const end = std::chrono::steady_clock::now() + patience;
  while (!predicate()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

template <typename T>
T result_of(std::future<T> future) {
  if (future.wait_for(patience) != std::future_status::ready) {
    throw std::runtime_error("what the test waits for did not happen");
  }
  return future.get();
}

// A handler that keeps its requests until the test answers them.
class Held {
 public:
  Handler handler() {
    return [this](std::string, std::string, Respond respond) {
      std::lock_guard const lock(mutex_);
      waiting_.push_back(std::move(respond));
    };
  }

  // The oldest request that next() has not returned yet.
  Respond next() {
    Respond respond;
    bool const came = eventually([&] {
      std::lock_guard const lock(mutex_);
      if (waiting_.empty()) return false;
      respond = std::move(waiting_.front());
      waiting_.erase(waiting_.begin());
      return true;
    });
    if (!came) throw std::runtime_error("no request came");
    return respond;
  }

 private:
  std::mutex mutex_;
  std::vector<Respond> waiting_;
};

inline void echo(std::string const& target, std::string const& body, Respond const& respond) {
  respond({200, target + " " + body});
}

struct Fixture {
  Fixture() {
    std::string pattern = std::filesystem::temp_directory_path() / "snapclone-server.XXXXXX";
    if (!mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp failed");
    directory = pattern;
    path = directory / "s.sock";
  }

  ~Fixture() {
    io.stop();
    if (thread.joinable()) thread.join();
    server.reset();
    std::filesystem::remove_all(directory);
  }

  void start(Handler handler = echo, Limits limits = {}) {
    auto const report = [this](std::string const& sentence) {
      std::lock_guard const lock(mutex);
      reports += sentence + "\n";
    };
    server = std::make_unique<Server>(io, path, std::move(handler), limits, report);
    server->start();
    thread = std::thread([this] { io.run(); });
  }

  Client client() const { return Client(path); }

  // Runs the function on the io thread and waits for it.
  template <typename Function>
  auto on_io(Function function) {
    std::packaged_task<decltype(function())()> task(std::move(function));
    auto future = task.get_future();
    boost::asio::post(io, std::move(task));
    return result_of(std::move(future));
  }

  // Waits until the server has exactly this many connections.
  bool has_connections(std::size_t number) {
    return eventually([&] { return on_io([&] { return server->connections(); }) == number; });
  }

  bool has_report(std::string const& text) {
    return eventually([&] {
      std::lock_guard const lock(mutex);
      return reports.find(text) != std::string::npos;
    });
  }

  // Begins to drain; the future is ready when the server has called done.
  std::future<void> drain() {
    auto drained = std::make_shared<std::promise<void>>();
    on_io([&] { server->drain([drained] { drained->set_value(); }); });
    return drained->get_future();
  }

  std::filesystem::path directory;
  std::string path;
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::unique_ptr<Server> server;
  std::thread thread;
  std::mutex mutex;
  std::string reports;
};

}  // namespace snapclone::api::test
