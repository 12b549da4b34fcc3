// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/client.hpp"

#include <string>
#include <vector>

#include <sys/types.h>

namespace snapclone::bench {

// Runs a program to its end; throws if it fails. Returns how long it took, in milliseconds.
double run(std::vector<std::string> const& command, std::string const& input = "/dev/null");

// The plugin, with no engine: the process that is measured. It serves <home>/socket, keeps its pool
// in <home>/pool and logs to <home>/log, as verbosely as in an engine.
class Plugin {
 public:
  Plugin(fs::path program, fs::path home, std::string backend = "");
  ~Plugin();  // ends it, and takes down what it has mounted
  Plugin(Plugin const&) = delete;
  Plugin& operator=(Plugin const&) = delete;

  // Starts it and waits until the socket accepts; returns how long that took, in milliseconds.
  double start();
  void kill();       // -9
  void end();        // SIGTERM, and waits
  void take_down();  // unmounts everything it has mounted, in one go

  Client connect() const { return Client(socket()); }
  fs::path socket() const { return home_ / "socket"; }
  fs::path pool() const { return home_ / "pool"; }

  // Resident memory in kB.
  double resident() const;

  // Until nothing is left for the deleter to do.
  void wait_for_deleter() const;

 private:
  void reap();

  fs::path const program_;
  fs::path const home_;
  std::string const backend_;
  pid_t pid_ = 0;
};

}  // namespace snapclone::bench
