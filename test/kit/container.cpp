// SPDX-License-Identifier: Apache-2.0
#include "kit/container.hpp"

#include "kit/child.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem/operations.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

void move_to(fs::path const& group) {
  fs::path file = group / "cgroup.procs";
  sys::Fd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd.get() < 0 || write(fd.get(), "0", 1) != 1) sys::fail("write", file.string());
}

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

std::string in_a_container(ContainerGroup const* group, Work const& work, Work const& neighbour) {
  auto first_of_container = [&] {
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("proc", "/proc", "proc", 0, nullptr) != 0) {
      sys::fail("mount", "/proc");
    }
    return work();
  };
  auto engine = [&] {
    if (group != nullptr) group->enter();
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) sys::fail("unshare", "processes");
    std::string result = in_a_child(first_of_container).text;
    return result + (neighbour ? neighbour() : "");
  };
  return in_a_child(engine).text;
}

}  // namespace snapclone::test
