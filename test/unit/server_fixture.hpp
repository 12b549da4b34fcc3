// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/server.hpp"
#include "kit/client.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// What the tests of the server share: a server on a thread of its own, and its handlers. Nothing
// waits longer than kPatience.
namespace snapclone::api::test {

using namespace snapclone::test;

constexpr auto blink = 100ms;  // for what must not happen

template <typename T>
T result_of(std::future<T> future) {
  if (future.wait_for(kPatience) != std::future_status::ready) {
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
