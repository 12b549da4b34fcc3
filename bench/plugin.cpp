// SPDX-License-Identifier: Apache-2.0
#include "bench/plugin.hpp"

#include "bench/samples.hpp"
#include "kit/leftovers.hpp"
#include "kit/reboot.hpp"
#include "kit/resources.hpp"

#include <boost/filesystem/operations.hpp>

#include <stdexcept>

#include <fcntl.h>

namespace snapclone::bench {
namespace {

constexpr std::chrono::minutes kLongestDeletion{10};

sys::Fd open_log(fs::path const& home) {
  fs::create_directories(home);
  int const flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
  return sys::Fd(open((home / "log").c_str(), flags, 0644));
}

}  // namespace

Plugin::Plugin(fs::path const& program, fs::path const& home, std::string const& backend,
               std::vector<std::string> const& more_arguments)
    : home_(home),
      log_(open_log(home)),
      program_({.pool = home / "pool",
                .mounts = home / "pool" / "mnt",
                .socket = home / "socket",
                .backend = backend,
                .more_arguments = more_arguments,
                .log = log_.get(),
                .program = program}) {
  start();
}

Plugin::~Plugin() {
  end();
  take_down();
  test::unmount_all(pool());  // of an image
}

double Plugin::start() {
  Stopwatch watch;
  try {
    program_.start();
    program_.connect();
  } catch (std::exception const& error) {
    throw std::runtime_error(error.what() + ("see " + (home_ / "log").string()));
  }
  return watch.ms();
}

void Plugin::take_down() { test::unmount_all(program_.mounts()); }

double Plugin::resident() const {
  return static_cast<double>(test::resources_of(program_.pid()).resident) / 1024;
}

void Plugin::wait_for_deleter() const {
  auto done = [this] { return test::all_is_deleted(pool(), program_.mounts()); };
  if (!test::eventually(done, kLongestDeletion)) {
    throw std::runtime_error("the plugin does not delete");
  }
}

}  // namespace snapclone::bench
