// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/caller.hpp"
#include "sys/file.hpp"

#include <string>
#include <vector>

#include <sys/types.h>

namespace snapclone::test {

// Follows a run of the program, for instance to decide on its system calls.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void before_exec() = 0;           // in the new process; may throw
  virtual void started(pid_t program) = 0;  // in this process
  virtual int descriptor() const = 0;       // can be read when there is something to handle
  virtual void handle() = 0;                // handles one thing
};

// A program that lies beside this one: where the build put it.
fs::path program_beside(std::string const& name);

// The program as it is delivered, outside an engine: a process on a pool, with a socket. It dies
// with the object, and with the thread that started it. For one thread at a time.
class Program {
 public:
  struct Options {
    fs::path pool;
    fs::path mounts;
    fs::path socket;
    std::string backend = "";  // "": the program chooses
    std::string log_level = "info";
    std::vector<std::string> more_arguments = {};
    int log = -1;  // a descriptor; -1: memory, see log()
    fs::path program = program_beside("snapclone");
  };

  explicit Program(Options options) : options_(std::move(options)) {}
  ~Program();  // as kill(), and everything is unmounted
  Program(Program const&) = delete;
  Program& operator=(Program const&) = delete;

  // Kills the process, if there is one, and starts another, which it does not wait for. The
  // observer must live until that ends.
  void start(Observer* observer = nullptr);

  // A new connection, as soon as the program listens. Throws, with the log, if it ends instead, or
  // after kPatience.
  Caller connect();

  // Asks over a connection of its own, and lets the observer work meanwhile. If the program ends
  // instead, or logs that it will, the answer has not come(). Throws after kPatience.
  Answer ask(std::string const& verb, json::object const& body);

  // Waits for a descriptor, and lets the observer work meanwhile. False when the program has ended
  // or the time is over. With the descriptor -1 it waits for nothing else.
  bool wait_for(int descriptor, short events, std::chrono::milliseconds limit);

  bool ended() const;
  // For the next start.
  void set_more_arguments(std::vector<std::string> arguments) {
    options_.more_arguments = std::move(arguments);
  }

  void kill();  // SIGKILL
  int end();    // SIGTERM; returns the status of waitpid(2)

  pid_t pid() const { return pid_; }
  fs::path const& pool() const { return options_.pool; }
  fs::path const& mounts() const { return options_.mounts; }
  fs::path const& socket() const { return options_.socket; }

  // What the last process has logged, if that went to memory.
  std::string log() const;

 private:
  std::vector<std::string> command() const;
  bool connects(Caller& caller);
  bool answers(int socket);
  int reap(int signal);

  Options options_;
  pid_t pid_ = -1;
  sys::Fd log_;
  sys::Fd handle_;  // a pidfd
  Observer* observer_ = nullptr;
};

}  // namespace snapclone::test
