// SPDX-License-Identifier: Apache-2.0
#include "bench/process.hpp"

#include "bench/samples.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"

#include <boost/filesystem/operations.hpp>

#include <fstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::bench {
namespace {

constexpr std::chrono::seconds kLongestStart{60};
constexpr std::chrono::minutes kLongestDeletion{10};

// Standard error stays the person's, but for what has a log.
pid_t spawn(std::vector<std::string> const& command, std::string const& input,
            std::string const& output, bool with_errors) {
  std::vector<char*> arguments;
  for (auto const& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = fork();
  if (pid < 0) sys::fail("start", command.front());
  if (pid > 0) return pid;
  int in = open(input.c_str(), O_RDONLY);
  int out = open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0) _exit(126);
  if (with_errors && dup2(out, 2) < 0) _exit(126);
  execvp(arguments.front(), arguments.data());
  _exit(127);
}

bool accepts(fs::path const& socket) {
  try {
    Client client(socket);
    return true;
  } catch (std::exception const&) {
    return false;
  }
}

}  // namespace

double run(std::vector<std::string> const& command, std::string const& input) {
  Stopwatch watch;
  pid_t pid = spawn(command, input, "/dev/null", false);
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || status != 0) {
    throw std::runtime_error(command.front() + " has failed");
  }
  return watch.ms();
}

Plugin::Plugin(fs::path program, fs::path home, std::string backend)
    : program_(std::move(program)), home_(std::move(home)), backend_(std::move(backend)) {
  fs::create_directories(home_);
  start();
}

Plugin::~Plugin() {
  end();
  take_down();
}

double Plugin::start() {
  std::vector<std::string> command = {program_.string(), "--socket", socket().string(), "--pool",
                                      pool().string()};
  if (!backend_.empty()) command.insert(command.end(), {"--backend", backend_});
  Stopwatch watch;
  pid_ = spawn(command, "/dev/null", (home_ / "log").string(), true);
  while (!accepts(socket())) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_ || watch.ms() > 1000.0 * kLongestStart.count()) {
      throw std::runtime_error("the plugin does not start; see " + (home_ / "log").string());
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return watch.ms();
}

void Plugin::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  reap();
}

void Plugin::end() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
  reap();
}

void Plugin::reap() {
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void Plugin::take_down() {
  while (umount2((pool() / "mnt").c_str(), MNT_DETACH) == 0) continue;
}

double Plugin::resident() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string word; status >> word;) {
    double size = 0;
    if (word == "VmRSS:" && status >> size) return size;
  }
  throw std::runtime_error("the plugin has ended");
}

void Plugin::wait_for_deleter() const {
  Stopwatch watch;
  while (!sys::list_dir(pool() / "trash").empty()) {
    if (watch.ms() > 60'000.0 * kLongestDeletion.count()) {
      throw std::runtime_error("the plugin does not delete");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

}  // namespace snapclone::bench
