// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/tracer.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace snapclone::test {

namespace fs = boost::filesystem;

// What came back for a request.
struct Answer {
  unsigned status = 0;  // 0: nothing, the program ended
  boost::json::object body;

  bool came() const { return status != 0; }
  bool good() const { return status == 200; }
  std::string sentence() const;  // of an error
};

enum class Watching { nothing, changes, looks };

// A run of the plugin outside an engine: the program that was built, as its own process. It dies
// with the object. Waiting for anything lets its calls go on, if they are watched.
class Program {
 public:
  Program(fs::path const& pool, fs::path const& mounts, fs::path const& socket,
          std::string const& backend, Watching watching);
  Program(Program const&) = delete;
  Program& operator=(Program const&) = delete;
  ~Program() { kill(); }

  // Asks, and waits for the answer, or for the program's end, which its log may announce. The first
  // request waits until the program listens. Throws if neither comes in a minute.
  Answer ask(std::string const& verb, boost::json::object const& body);

  // Lets it run until `done`, which is asked again and again, and returns true; or false if it
  // ends, or a while passes.
  bool run_until(std::function<bool()> const& done);

  bool ended();
  void kill();
  std::string log() const;
  std::string complaints() const;  // the log's warnings and errors
  Tracer& tracer() { return *tracer_; }

 private:
  sys::Fd connected();
  bool wait_for(int descriptor, short events, std::chrono::milliseconds longest);

  fs::path const socket_;
  sys::Fd log_;
  sys::Fd handle_;  // a pidfd
  pid_t id_ = -1;
  std::unique_ptr<Tracer> tracer_;
};

// Whether complaints say more than that a verb failed.
bool says_what_is_left(std::string const& complaints);

}  // namespace snapclone::test
