// SPDX-License-Identifier: Apache-2.0
#include "load/program.hpp"

#include "sys/file.hpp"

#include <algorithm>
#include <array>
#include <fstream>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace snapclone::test {
namespace {

constexpr std::size_t kQuotedLines = 40;
constexpr std::uint64_t kMegabytes = 4096;  // btrfs frees what was deleted later, and that adds up

std::size_t lines_in(std::string const& path) {
  std::ifstream file(path);
  return static_cast<std::size_t>(
      std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n'));
}

fs::path beside_these_tests(char const* name) {
  return fs::read_symlink("/proc/self/exe").parent_path() / name;
}

}  // namespace

std::string Answer::text(char const* member) const {
  auto const* found = body.if_contains(member);
  return found == nullptr || !found->is_string() ? "" : std::string(found->get_string());
}

void Caller::send(std::string const& verb, json::object const& body) {
  client_.send(api::test::post("/VolumeDriver." + verb, json::serialize(body)));
}

Answer Caller::receive() {
  api::test::HttpReply reply = client_.receive();
  if (reply.status == 0) hang_up();
  return {reply.status, reply.body.empty() ? json::object{} : json::parse(reply.body).as_object()};
}

Answer Caller::ask(std::string const& verb, json::object const& body) {
  send(verb, body);
  return receive();
}

Answer Caller::must(std::string const& verb, json::object const& body) {
  Answer answer = ask(verb, body);
  if (!answer.ok()) throw std::runtime_error(verb + " failed: " + answer.error());
  return answer;
}

fs::path Caller::mount(std::string const& name, std::string const& id) {
  return must("Mount", {{"Name", name}, {"ID", id}}).text("Mountpoint");
}

void Caller::unmount(std::string const& name, std::string const& id) {
  must("Unmount", {{"Name", name}, {"ID", id}});
}

json::object Caller::status(std::string const& name) {
  return must("Get", {{"Name", name}}).body.at("Volume").at("Status").as_object();
}

void Caller::hang_up() {
  client_.close();
  client_ = open();
}

Answer Caller::send_bytes(std::string const& bytes) {
  client_.send(bytes);
  return receive();
}

Program::Program(Ground const& ground, std::string const& log_level)
    : ground_(ground),
      log_level_(log_level),
      media_(ground.filesystem, "size=2g", kMegabytes),
      socket_(media_.path.parent_path() / "s.sock"),
      pool_(media_.path / "pool"),
      points_(media_.path / "mnt") {
  start();
}

void Program::start() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) sys::fail("make", "a pipe");
  std::string program = beside_these_tests("snapclone").string();
  process_ = fork();
  if (process_ < 0) sys::fail("fork", program);
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    execl(program.c_str(), program.c_str(), "--socket", socket_.c_str(), "--pool", pool_.c_str(),
          "--mounts", points_.c_str(), "--backend", ground_.backend.c_str(), "--log-level",
          log_level_.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  reader_ = std::thread([this, pipe = ends[0]] { read_log(pipe); });
  bool ended = false;
  bool listens = eventually([&] {
    ended = waitpid(process_, nullptr, WNOHANG) != 0;
    return ended || fs::exists(socket_);
  });
  if (ended || !listens) throw std::runtime_error("it does not start:\n" + log_about(""));
}

int Program::stop() {
  kill(process_, SIGTERM);
  int status = 0;
  waitpid(process_, &status, 0);
  reader_.join();
  return status;
}

Program::~Program() {
  stop();
  for (auto const* kind : {"clones", "memory", "volumes", "views"}) {
    for (auto const& name : sys::list_dir(points_ / kind)) sys::unmount(points_ / kind / name);
  }
  sys::unmount(points_);
}

void Program::restart() {
  int status = stop();
  BOOST_TEST(status == 0);
  start();
}

void Program::read_log(int pipe) {
  sys::Fd owned(pipe);
  std::string pending;
  std::array<char, 65536> bytes{};
  for (;;) {
    ssize_t size = read(pipe, bytes.data(), bytes.size());
    if (size <= 0) return;
    auto now = Clock::now();
    pending.append(bytes.data(), static_cast<std::size_t>(size));
    std::lock_guard lock(mutex_);
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = pending.find('\n', begin)) != std::string::npos;) {
      log_.push_back({now, pending.substr(begin, end - begin)});
      begin = end + 1;
    }
    pending.erase(0, begin);
  }
}

Held Program::held() const {
  std::string proc = "/proc/" + std::to_string(process_);
  Held held;
  std::size_t size = 0;
  std::ifstream(proc + "/statm") >> size >> held.resident;
  held.resident *= static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  held.descriptors = sys::list_dir(proc + "/fd").size();
  held.threads = sys::list_dir(proc + "/task").size();
  held.mounts = lines_in(proc + "/mountinfo");
  return held;
}

bool Program::holds_no_more_than(Held const& before) const {
  return settles() && eventually([&] {
           Held now = held();
           return now.descriptors <= before.descriptors && now.threads <= before.threads &&
                  now.mounts <= before.mounts;
         });
}

std::string Program::found_now() const {
  std::string found;
  auto list = [&](fs::path const& directory) {
    for (auto const& name : sys::list_dir(directory)) found += (directory / name).string() + "\n";
  };
  for (auto const* part : {"layers", "volumes", "staging", "trash"}) list(pool_ / part);
  for (auto const* part : {"clones", "mounts"}) {
    for (auto const& boot : sys::list_dir(pool_ / part)) list(pool_ / part / boot);
  }
  for (auto const* part : {"clones", "memory", "volumes", "views", "probes"}) list(points_ / part);
  return found;
}

std::string Program::leftovers() const {
  std::string found;
  eventually([&] { return (found = found_now()).empty(); });
  return found;
}

bool Program::settles() const {
  return eventually([this] {
    return sys::list_dir(pool_ / "trash").empty() && sys::list_dir(points_ / "probes").empty();
  });
}

std::vector<Program::Line> Program::log() const {
  std::lock_guard lock(mutex_);
  return log_;
}

std::size_t Program::count_lines(std::string const& begin, std::string const& part) const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(log_.begin(), log_.end(), [&](Line const& line) {
    return line.text.rfind(begin, 0) == 0 && line.text.find(part) != std::string::npos;
  }));
}

std::string Program::log_about(std::string const& word) const {
  std::lock_guard lock(mutex_);
  std::vector<std::string const*> lines;
  for (auto line = log_.rbegin(); line != log_.rend() && lines.size() < kQuotedLines; ++line) {
    if (line->text.find(word) != std::string::npos) lines.push_back(&line->text);
  }
  std::string text;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) text += **line + "\n";
  return text;
}

std::string Program::complaints() const {
  std::lock_guard lock(mutex_);
  std::string text;
  for (auto const& line : log_) {
    for (auto const* sign : {"Sanitizer", "runtime error:", "error: "}) {
      if (line.text.find(sign) != std::string::npos) text += line.text + "\n";
    }
  }
  return text;
}

}  // namespace snapclone::test
