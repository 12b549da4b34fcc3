// SPDX-License-Identifier: Apache-2.0
#include "fault/program.hpp"

#include "sys/error.hpp"

#include <boost/filesystem.hpp>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;
constexpr auto kWhile = 8s;  // the plugin tries deleting again after 5
constexpr auto kGlance = 100ms;

fs::path program_path() { return fs::read_symlink("/proc/self/exe").parent_path() / "snapclone"; }

// After fork(): becomes the program.
[[noreturn]] void become(std::vector<std::string> const& words, int log, int socket,
                         Watching watching) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  try {
    if (watching != Watching::nothing) Tracer::install(socket, watching == Watching::looks);
    std::vector<char*> arguments;
    for (auto const& word : words) arguments.push_back(const_cast<char*>(word.c_str()));  // NOLINT
    arguments.push_back(nullptr);
    execv(arguments.front(), arguments.data());
    sys::fail("start", words.front());
  } catch (std::exception const& error) {
    dprintf(STDERR_FILENO, "%s\n", error.what());
  }
  _exit(127);
}

Answer parsed(std::string const& text) {
  Answer answer;
  std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return answer;
  boost::json::error_code error;
  boost::json::value body = boost::json::parse(text.substr(end + 4), error);
  if (error || !body.is_object()) throw std::runtime_error("the answer is not JSON: " + text);
  answer.status = static_cast<unsigned>(std::stoul(text.substr(text.find(' '))));
  answer.body = body.get_object();
  return answer;
}

}  // namespace

std::string Answer::sentence() const {
  auto const* text = body.if_contains("Err");
  return text == nullptr || !text->is_string() ? "" : std::string(text->get_string());
}

bool says_what_is_left(std::string const& complaints) {
  std::istringstream lines(complaints);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" failed after ") == std::string::npos) return true;
  }
  return false;
}

Program::Program(fs::path const& pool, fs::path const& mounts, fs::path const& socket,
                 std::string const& backend, Watching watching)
    : socket_(socket), log_(memfd_create("log", MFD_CLOEXEC)) {
  std::vector<std::string> words = {
      program_path().string(),   "--pool",      pool.string(),   "--mounts",
      mounts.string(),           "--socket",    socket.string(), "--pool-id",
      socket.string() + ".pool", "--log-level", "info"};
  if (!backend.empty()) words.insert(words.end(), {"--backend", backend});
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    sys::fail("make", "a pair of sockets");
  }
  sys::Fd mine(pair[0]);
  sys::Fd theirs(pair[1]);
  id_ = fork();
  if (id_ < 0) sys::fail("start", words.front());
  if (id_ == 0) become(words, log_.get(), theirs.get(), watching);
  // The declaration in glibc 2.36 is not for C++.
  handle_ = sys::Fd(static_cast<int>(syscall(SYS_pidfd_open, id_, 0)));
  theirs = sys::Fd();
  if (watching != Watching::nothing) tracer_ = std::make_unique<Tracer>(mine.get(), id_);
}

bool Program::ended() {
  pollfd entry{handle_.get(), POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

void Program::kill() {
  if (id_ < 0) return;
  ::kill(id_, SIGKILL);
  waitpid(id_, nullptr, 0);
  id_ = -1;
}

std::string Program::log() const {
  std::string text(65536, '\0');
  ssize_t size = pread(log_.get(), text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

std::string Program::complaints() const {
  std::istringstream lines(log());
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    bool complaint = line.rfind("warning: ", 0) == 0 || line.rfind("error: ", 0) == 0;
    if (complaint) found += line + "\n";
  }
  return found;
}

// False when the program has ended or the time is over.
bool Program::wait_for(int descriptor, short events, std::chrono::milliseconds longest) {
  auto end = std::chrono::steady_clock::now() + longest;
  for (;;) {
    auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    std::array<pollfd, 3> entries = {{{descriptor, events, 0},
                                      {handle_.get(), POLLIN, 0},
                                      {tracer_ ? tracer_->descriptor() : -1, POLLIN, 0}}};
    if (poll(entries.data(), entries.size(), std::max<int>(0, static_cast<int>(left.count()))) <
        0) {
      if (errno == EINTR) continue;
      sys::fail("wait for", "the program");
    }
    if (entries[0].revents != 0) return true;
    if (entries[1].revents != 0) return false;
    if ((entries[2].revents & POLLIN) != 0) {
      tracer_->handle();
    } else if (left <= 0ms) {
      return false;
    }
  }
}

bool Program::run_until(std::function<bool()> const& done) {
  auto end = std::chrono::steady_clock::now() + kWhile;
  auto pause = 1ms;
  while (!ended()) {
    if (done()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    wait_for(-1, 0, pause);
    pause = std::min(pause * 2, 50ms);
  }
  return false;
}

sys::Fd Program::connected() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_.string().copy(address.sun_path, sizeof address.sun_path - 1);
  auto end = std::chrono::steady_clock::now() + kPatience;
  while (!ended()) {
    sys::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(socket.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0) {
      return socket;
    }
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("the program does not listen: " + log());
    }
    wait_for(-1, 0, 1ms);
  }
  return {};
}

Answer Program::ask(std::string const& verb, boost::json::object const& body) {
  sys::Fd socket = connected();
  if (socket.get() < 0) return {};
  std::string content = boost::json::serialize(body);
  std::string request = "POST /VolumeDriver." + verb +
                        " HTTP/1.1\r\nHost: plugin\r\nConnection: close\r\nContent-Length: " +
                        std::to_string(content.size()) + "\r\n\r\n" + content;
  if (send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string received;
  auto end = std::chrono::steady_clock::now() + kPatience;
  while (!wait_for(socket.get(), POLLIN, kGlance) && !ended()) {
    if (log().find("cannot recover") != std::string::npos) return {};  // it ends in 3 s
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error("no answer to " + verb + " in time: " + log());
    }
  }
  for (;;) {
    if (!wait_for(socket.get(), POLLIN, kPatience) && !ended()) {
      throw std::runtime_error("half an answer to " + verb + ": " + received);
    }
    std::array<char, 4096> bytes{};
    ssize_t size = recv(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (size <= 0) return parsed(received);
    received.append(bytes.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace snapclone::test
