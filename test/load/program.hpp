// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "unit/client.hpp"
#include "unit/media.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

// The program as it is delivered, outside an engine: a process with a socket, on a pool of its own.
// The one that is tested is build/snapclone if these tests are build/load_tests.
namespace snapclone::test {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// Where a pool lies, and what makes its trees there.
struct Ground {
  std::string name;        // the test suite's
  std::string filesystem;  // as mount(8) calls it
  std::string backend;
};

// How long to wait for what must happen: nothing depends on how fast it does.
constexpr std::chrono::seconds kPatience{60};

template <class Predicate>
bool eventually(Predicate const& predicate) {
  auto end = Clock::now() + kPatience;
  while (!predicate()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

struct Answer {
  unsigned status = 0;  // 0: the connection was closed instead
  json::object body = {};

  bool ok() const { return status == 200; }
  std::string text(char const* member) const;  // "" if it has none
  std::string error() const { return text("Err"); }
};

// One connection, as the engine keeps it.
class Caller {
 public:
  explicit Caller(fs::path socket) : socket_(std::move(socket)), client_(open()) {}

  // Reconnects if the connection was closed.
  Answer ask(std::string const& verb, json::object const& body);
  // Throw with the error if there is one.
  Answer must(std::string const& verb, json::object const& body);
  fs::path mount(std::string const& name, std::string const& id);
  void unmount(std::string const& name, std::string const& id);
  json::object status(std::string const& name);  // what inspect shows
  // The two halves of it, and what a client does that does not wait for the answer.
  void send(std::string const& verb, json::object const& body);
  Answer receive();
  bool answered() const { return !client_.is_silent(std::chrono::milliseconds(0)); }
  void hang_up();
  // Bytes that may be no request at all.
  Answer send_bytes(std::string const& bytes);

 private:
  api::test::Client open() const {
    return api::test::Client(socket_.string(), std::chrono::seconds(kPatience));
  }

  fs::path const socket_;
  api::test::Client client_;
};

// What a process holds.
struct Held {
  std::size_t resident = 0;  // bytes
  std::size_t descriptors = 0;
  std::size_t threads = 0;
  std::size_t mounts = 0;
};

class Program {
 public:
  explicit Program(Ground const& ground, std::string const& log_level = "info");
  ~Program();
  Program(Program const&) = delete;
  Program& operator=(Program const&) = delete;

  fs::path const& socket() const { return socket_; }
  fs::path const& pool() const { return pool_; }
  fs::path const& points() const { return points_; }

  Held held() const;

  // Until it has deleted what it has to delete; false if that does not happen.
  bool settles() const;

  // Whether it then holds no more descriptors, threads and mounts, in the end.
  bool holds_no_more_than(Held const& before) const;

  // What is left on disk and mounted when there is no volume any more, a line each; "" if that is
  // nothing, as soon as it is.
  std::string leftovers() const;

  // Ends it as the engine does, and starts it again.
  void restart();

  struct Line {
    Clock::time_point time;
    std::string text;
  };
  std::vector<Line> log() const;
  // Lines that begin so and have that part.
  std::size_t count_lines(std::string const& begin, std::string const& part) const;
  // The newest lines in which the word stands.
  std::string log_about(std::string const& word) const;
  // Reports of sanitizers, and errors. A refusal is none.
  std::string complaints() const;

 private:
  void start();
  int stop();
  std::string found_now() const;
  void read_log(int pipe);

  Ground const ground_;
  std::string const log_level_;
  Media media_;
  fs::path const socket_;
  fs::path const pool_;
  fs::path const points_;
  pid_t process_ = 0;
  std::thread reader_;
  mutable std::mutex mutex_;  // guards the log
  std::vector<Line> log_;
};

// What the command line of the tests said.
struct Settings {
  std::chrono::seconds time{0};  // --seconds N for the long form, 0: the short one
};
Settings const& settings();

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace snapclone::test
