// SPDX-License-Identifier: Apache-2.0
#include "kit/program.hpp"

#include "kit/reboot.hpp"
#include "sys/error.hpp"

#include <boost/filesystem/operations.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <stdexcept>

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

constexpr auto kBetweenTries = 200us;  // to connect
constexpr auto kGlance = 100ms;        // between looks into the log

// In the new process: becomes the program.
[[noreturn]] void become(std::vector<char*> const& arguments, int log, Observer* observer) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  try {
    if (observer != nullptr) observer->before_exec();
    execv(arguments.front(), arguments.data());
    sys::fail("start", arguments.front());
  } catch (std::exception const& error) {
    dprintf(STDERR_FILENO, "%s\n", error.what());
  }
  _exit(127);
}

}  // namespace

fs::path program_beside(std::string const& name) {
  return fs::read_symlink("/proc/self/exe").parent_path() / name;
}

Program::~Program() {
  kill();
  unmount_all(options_.mounts);
}

std::vector<std::string> Program::command() const {
  std::vector<std::string> words = {
      options_.program.string(), "--pool",   options_.pool.string(),   "--mounts",
      options_.mounts.string(),  "--socket", options_.socket.string(), "--log-level",
      options_.log_level};
  if (!options_.backend.empty()) words.insert(words.end(), {"--backend", options_.backend});
  words.insert(words.end(), options_.more_arguments.begin(), options_.more_arguments.end());
  return words;
}

void Program::start(Observer* observer) {
  kill();
  std::vector<std::string> words = command();
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  log_ = sys::Fd(memfd_create("log", MFD_CLOEXEC));
  if (log_.get() < 0) sys::fail("make", "a log");
  observer_ = observer;
  pid_ = fork();
  if (pid_ < 0) sys::fail("start", words.front());
  if (pid_ == 0) become(arguments, options_.log < 0 ? log_.get() : options_.log, observer);
  // The declaration in glibc 2.36 is not for C++.
  handle_ = sys::Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (handle_.get() < 0) sys::fail("open", "a pidfd");
  if (observer != nullptr) observer->started(pid_);
}

// False if the program ends instead.
bool Program::connects(Caller& caller) {
  auto const end = std::chrono::steady_clock::now() + kPatience;
  while (!caller.connect()) {
    if (ended()) return false;
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("the program does not listen:\n" + log());
    }
    if (observer_ != nullptr) {
      wait_for(-1, 0, 1ms);
    } else {
      std::this_thread::sleep_for(kBetweenTries);
    }
  }
  return true;
}

Caller Program::connect() {
  Caller caller(options_.socket);
  if (!connects(caller)) throw std::runtime_error("the program does not start:\n" + log());
  return caller;
}

Answer Program::ask(std::string const& verb, json::object const& body) {
  Caller caller(options_.socket, [this](int socket) { return answers(socket); });
  if (!connects(caller)) return {};
  return caller.ask(verb, body);
}

bool Program::answers(int socket) {
  auto const end = std::chrono::steady_clock::now() + kPatience;
  while (!wait_for(socket, POLLIN, kGlance)) {
    std::string text = log();
    if (ended() || text.find("cannot recover") != std::string::npos)
      return false;  // it ends in 3 s
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("the program does not answer:\n" + text);
    }
  }
  return true;
}

bool Program::wait_for(int descriptor, short events, std::chrono::milliseconds limit) {
  auto const end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    std::array<pollfd, 3> entries = {
        {{descriptor, events, 0},
         {handle_.get(), POLLIN, 0},
         {observer_ != nullptr ? observer_->descriptor() : -1, POLLIN, 0}}};
    int const timeout = std::max<int>(0, static_cast<int>(left.count()));
    if (poll(entries.data(), entries.size(), timeout) < 0) {
      if (errno == EINTR) continue;
      sys::fail("wait for", "the program");
    }
    if (entries[0].revents != 0) return true;
    if (entries[1].revents != 0) return false;
    if ((entries[2].revents & POLLIN) != 0) {
      observer_->handle();
    } else if (left <= 0ms) {
      return false;
    }
  }
}

bool Program::ended() const {
  pollfd entry{handle_.get(), POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

int Program::reap(int signal) {
  if (pid_ < 0) return 0;
  ::kill(pid_, signal);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

void Program::kill() { reap(SIGKILL); }
int Program::end() { return reap(SIGTERM); }

std::string Program::log() const {
  std::string text;
  std::array<char, 65536> bytes{};
  for (ssize_t size = 0; (size = pread(log_.get(), bytes.data(), bytes.size(),
                                       static_cast<off_t>(text.size()))) > 0;) {
    text.append(bytes.data(), static_cast<std::size_t>(size));
  }
  return text;
}

}  // namespace snapclone::test
