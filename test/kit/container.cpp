// SPDX-License-Identifier: Apache-2.0
#include "kit/container.hpp"

#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem/operations.hpp>

#include <array>
#include <exception>
#include <new>

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

void move_to(fs::path const& group) {
  fs::path file = group / "cgroup.procs";
  sys::Fd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0 || write(fd.get(), "0", 1) != 1) sys::fail("write", file.string());
}

// Memory that a child shares with its parent, for a text.
class Report {
 public:
  Report()
      : text_(static_cast<Text*>(mmap(nullptr, sizeof(Text), PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    if (text_ == MAP_FAILED) sys::fail("share memory with", "a child");
  }
  ~Report() { munmap(text_, sizeof(Text)); }
  Report(Report const&) = delete;
  Report& operator=(Report const&) = delete;

  void write(std::string const& text) { (*text_)[text.copy(text_->data(), text_->size() - 1)] = 0; }
  std::string text() const { return text_->data(); }

 private:
  using Text = std::array<char, 4096>;
  Text* text_;
};

}  // namespace

ContainerGroup::ContainerGroup(Version version)
    : tree_(fs::temp_directory_path() / fs::unique_path("snapclone-%%%%%%%%")),
      group_(tree_ / ("snapclone-test-" + std::to_string(getpid()))) {
  fs::create_directory(tree_);
  bool v1 = version == Version::v1;
  if (mount("groups", tree_.c_str(), v1 ? "cgroup" : "cgroup2", 0, v1 ? "devices" : "") != 0) {
    int code = errno;
    fs::remove(tree_);
    throw sys::Error("mount control groups on", tree_.string(), code);
  }
  if (mkdir(group_.c_str(), 0700) != 0) {
    int code = errno;
    unmount();
    throw sys::Error("make the control group", group_.string(), code);
  }
}

ContainerGroup::~ContainerGroup() {
  for (auto const* below : {"snapclone/plugin", "snapclone", ""}) rmdir((group_ / below).c_str());
  unmount();
}

void ContainerGroup::unmount() const {
  sys::unmount(tree_);
  fs::remove(tree_);
}

void ContainerGroup::enter() const { move_to(group_); }
void ContainerGroup::enter_root() const { move_to(tree_); }
bool ContainerGroup::has_groups() const { return fs::exists(group_ / "snapclone"); }
bool ContainerGroup::is_whole() const {
  return fs::exists(tree_ / "release_agent") || !fs::exists(tree_ / "cgroup.events");
}

std::string in_a_child(Work const& work) {
  Report report;
  pid_t child = fork();
  if (child < 0) sys::fail("fork", "a child");
  if (child == 0) {
    try {
      report.write(work());
    } catch (std::exception const& error) {
      report.write(error.what());
    }
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child || status != 0) return "the child died";
  return report.text();
}

std::string in_a_container(ContainerGroup const* group, Work const& work, Work const& neighbour) {
  return in_a_child([&] {
    if (group != nullptr) group->enter();
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) sys::fail("unshare", "processes");
    std::string result = in_a_child([&] {
      if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          mount("proc", "/proc", "proc", 0, nullptr) != 0) {
        sys::fail("mount", "/proc");
      }
      return work();
    });
    return result + (neighbour ? neighbour() : "");
  });
}

}  // namespace snapclone::test
