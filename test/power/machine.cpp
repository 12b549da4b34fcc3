// SPDX-License-Identifier: Apache-2.0
#include "power/machine.hpp"

#include "power/isolation.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"
#include "sys/mount.hpp"
#include "unit/server_fixture.hpp"

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

namespace json = boost::json;

constexpr std::uint64_t kDiskSize = 320U << 20U;  // xfs takes no less than 300 MiB
constexpr std::chrono::seconds kPatience{60};

// The program lies beside this one.
fs::path program() { return fs::read_symlink("/proc/self/exe").parent_path() / "snapclone"; }

void unmount_all_in(fs::path const& directory) {
  if (!fs::exists(directory)) return;
  for (auto const& kind : fs::directory_iterator(directory)) {
    for (auto const& entry : fs::directory_iterator(kind.path())) {
      if (sys::is_mounted(entry.path())) sys::unmount(entry.path());
    }
  }
  if (sys::is_mounted(directory)) sys::unmount(directory);
}

}  // namespace

Plugin::Plugin(fs::path const& pool, fs::path const& scratch, std::string const& backend)
    : scratch_(scratch), mounts_(scratch / "mnt"), socket_(scratch / "socket") {
  std::string const path = program().string();
  std::string const log = (scratch_ / "log").string();
  char const* arguments[] = {path.c_str(),    "--socket",    socket_.c_str(), "--pool",
                             pool.c_str(),    "--mounts",    mounts_.c_str(), "--backend",
                             backend.c_str(), "--log-level", "debug",         nullptr};
  begin_a_boot();
  process_ = fork();
  if (process_ < 0) sys::fail("start", path);
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    execv(path.c_str(), const_cast<char* const*>(arguments));
    _exit(127);
  }
  try {
    wait_until_it_answers();
  } catch (...) {
    stop();
    throw;
  }
}

Plugin::~Plugin() { stop(); }

void Plugin::stop() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  unmount_all_in(mounts_);
}

void Plugin::wait_until_it_answers() {
  auto end = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < end) {
    if (waitpid(process_, nullptr, WNOHANG) != 0) break;
    if (fs::exists(socket_)) {
      try {
        ask("List", {});
        return;
      } catch (std::runtime_error const&) {
        // it is not there yet
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  throw std::runtime_error("snapclone does not start: " + log());
}

json::object Plugin::ask(std::string const& verb, json::object const& request) const {
  api::test::Client client(socket_.string());
  auto reply = client.ask(api::test::post("/VolumeDriver." + verb, json::serialize(request)));
  json::object answer = json::parse(reply.body.empty() ? "{}" : reply.body).as_object();
  if (reply.status == 200) return answer;
  auto const* error = answer.if_contains("Err");
  throw std::runtime_error(verb + ": " +
                           (error == nullptr ? "no answer" : error->as_string().c_str()));
}

void Plugin::create(std::string const& name, RawOptions const& options) const {
  json::object given;
  for (auto const& [key, value] : options) given[key] = value;
  ask("Create", {{"Name", name}, {"Opts", given}});
}

void Plugin::remove(std::string const& name) const { ask("Remove", {{"Name", name}}); }

fs::path Plugin::mount(std::string const& name, std::string const& mount_id) const {
  json::object answer = ask("Mount", {{"Name", name}, {"ID", mount_id}});
  return answer.at("Mountpoint").as_string().c_str();
}

void Plugin::unmount(std::string const& name, std::string const& mount_id) const {
  ask("Unmount", {{"Name", name}, {"ID", mount_id}});
}

std::map<std::string, json::object> Plugin::statuses() const {
  std::map<std::string, json::object> all;
  json::object list = ask("List", {});
  for (auto const& listed : list.at("Volumes").as_array()) {
    std::string name = listed.as_object().at("Name").as_string().c_str();
    json::object answer = ask("Get", {{"Name", name}});
    all[name] = answer.at("Volume").as_object().at("Status").as_object();
  }
  return all;
}

std::string Plugin::log() const { return sys::read_file(scratch_ / "log"); }

Scratch::Scratch() : path(fs::temp_directory_path() / fs::unique_path("snapclone-%%%%%%%%")) {
  fs::create_directory(path);
}

Scratch::~Scratch() { fs::remove_all(path); }

FileSystem::FileSystem(std::string const& type, std::string const& device, fs::path const& target)
    : path(target) {
  fs::create_directory(path);
  if (::mount(device.c_str(), path.c_str(), type.c_str(), MS_NOATIME, "") != 0) {
    sys::fail("mount the disk with " + type + " on", path.string());
  }
}

FileSystem::~FileSystem() { sys::unmount(path); }

Machine::Machine(Ground const& where, Image const& image)
    : ground(where),
      disk(image),
      file_system(ground.filesystem, disk.device(), scratch.path / "disk"),
      pool(file_system.path / "pool"),
      plugin(pool, scratch.path, ground.backend) {}

Image formatted(std::string const& filesystem) {
  Disk disk(Image{kDiskSize});
  std::string settings = filesystem == "ext4" ? " -b 4096 -E lazy_itable_init=0" : "";
  std::string command = "PATH=$PATH:/usr/sbin:/sbin mkfs." + filesystem + " -q" + settings + " " +
                        disk.device() + " >/dev/null 2>&1";
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command + " failed");
  Image image(kDiskSize);
  for (auto const& change : disk.changes()) change.apply_to(image);
  return image;
}

}  // namespace snapclone::test
