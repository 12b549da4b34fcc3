// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/timed.hpp"
#include "kit/program.hpp"

#include <string>
#include <vector>

namespace snapclone::bench {

namespace fs = boost::filesystem;

// A pool in an image file, <home>/pool.img, that is mounted on <home>/pool.
inline std::vector<std::string> const kInImage = {"--image", "on"};

// The plugin, with no engine: the process that is measured. It serves <home>/socket, keeps its pool
// in <home>/pool and logs to <home>/log, as verbosely as in an engine.
class Plugin {
 public:
  Plugin(fs::path const& program, fs::path const& home, std::string const& backend = "",
         std::vector<std::string> const& more_arguments = {});
  ~Plugin();  // ends it, and takes down what it has mounted

  // Starts it and waits until the socket accepts; returns how long that took, in milliseconds.
  double start();
  void kill() { program_.kill(); }  // -9
  void end() { program_.end(); }    // SIGTERM, and waits
  void take_down();                 // unmounts everything it has mounted, in one go

  Caller connect() const { return Caller(program_.socket()); }
  fs::path const& pool() const { return program_.pool(); }

  // Resident memory in kB.
  double resident() const;

  // Until nothing is left for the deleter to do.
  void wait_for_deleter() const;

 private:
  fs::path const home_;
  sys::Fd const log_;
  test::Program program_;
};

}  // namespace snapclone::bench
