// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"
#include "daemon.hpp"
#include "mover.hpp"
#include "place.hpp"
#include "sys/capabilities.hpp"
#include "sys/device_rules.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/system_calls.hpp"

#include <chrono>
#include <iostream>

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone {
namespace {

constexpr std::chrono::seconds kLongestWait{15};  // the engine gives up on a socket after 9 s

// If the plugin exits at once, Docker starts it again and then briefly cannot enable it. So as PID
// 1 it waits for SIGTERM before it exits, 15 s at most.
void wait_to_be_stopped() {
  if (getpid() != 1) return;
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  timespec limit{kLongestWait.count(), 0};
  sigtimedwait(&stop, nullptr, &limit);
}

// Connections and copies hold many at once. The usual soft limit is for programs that use
// select(2); others may take all of the hard one.
void allow_as_many_descriptors_as_possible() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

// Before there is a second thread, and before anything that others wrote is read.
void give_up_privileges(Config const& config) {
  if (config.all_devices) {
    try {
      sys::give_up_devices();
    } catch (std::runtime_error const& error) {
      sys::log_warning(std::string("the plugin could still open devices: ") + error.what());
    }
  }
  sys::keep_needed_capabilities();
  bool debug = config.log_level == "debug";
  try {
    sys::refuse_unlisted_calls(debug ? sys::Unlisted::reported : sys::Unlisted::failing);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("no system call will be refused: ") + error.what());
  }
}

// In a terminal, so nobody starts it again or waits for it.
int move(Config const& config) {
  try {
    sys::check_needed_capabilities();
    move_volumes(config, [&] { give_up_privileges(config); });
    return 0;
  } catch (std::exception const& error) {
    sys::log_error(std::string("not moved: ") + error.what());
    return 1;
  }
}

int run(int argc, char const* const* argv) {
  Config config;
  try {
    config = read_config(argc, argv);
  } catch (BadValue const& error) {
    std::cerr << "snapclone: " << error.what() << "\n";
    return 2;
  } catch (BadUsage const& error) {
    std::cerr << "snapclone: " << error.what() << "\n\n" << help_text();
    return 2;
  }
  if (config.show_help || config.show_version) {
    std::cout << (config.show_help ? help_text() : "snapclone " SNAPCLONE_VERSION "\n");
    return 0;
  }
  if (geteuid() != 0) {
    std::cerr << "snapclone: it needs root, to mount\n";
    return 1;
  }
  umask(0);
  allow_as_many_descriptors_as_possible();
  mallopt(M_ARENA_MAX, 2);  // glibc would give each of the many threads a heap of its own
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);  // as a container's first process: no zombies
  sys::set_log_level(config.log_level);
  try {
    for (auto const& warning : config.warnings) sys::log_warning(warning);
    if (!config.move_to.empty()) return move(config);
    sys::check_needed_capabilities();
    // Loop devices and mounts of them need more than what follows.
    Place place = take_place(config.pool, config.image, {config.image_size, config.image_reserve},
                             config.pool_id);
    give_up_privileges(config);
    Daemon daemon(config, place);
    int code = daemon.run();
    sys::flush_log();
    // Without destructors: verbs that still run are not waited for, and keep their objects.
    _exit(code);
  } catch (std::exception const& error) {
    sys::log_error(std::string("cannot start: ") + error.what());
    sys::flush_log();
    wait_to_be_stopped();
    return 1;
  }
}

}  // namespace
}  // namespace snapclone

int main(int argc, char** argv) { return snapclone::run(argc, argv); }
