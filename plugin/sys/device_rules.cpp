// SPDX-License-Identifier: Apache-2.0
#include "sys/device_rules.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace snapclone::sys {
namespace {

// Below the container's group. There is one pair at most: a container has one first process.
constexpr char const* kOuter = "snapclone";
constexpr char const* kInner = "snapclone/plugin";

// A tree of control groups, and the group in it that this process is in.
struct Membership {
  bool v1;
  std::string path;
};

bool has_item(std::string_view list, std::string_view item) {
  for (;;) {
    auto comma = list.find(',');
    if (list.substr(0, comma) == item) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
}

// The trees that can have device rules, v1 first: lines "5:devices:/group" and "0::/group".
std::vector<Membership> memberships() {
  std::vector<Membership> found;
  std::istringstream lines(read_file("/proc/self/cgroup"));
  for (std::string line; std::getline(lines, line);) {
    auto first = line.find(':');
    auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    bool v1 = has_item(controllers, "devices");
    if (!v1 && (line.substr(0, first) != "0" || !controllers.empty())) continue;
    std::string path = line.substr(second + 1);
    if (path.starts_with("/..")) continue;  // it is above the root of our namespace
    found.insert(v1 ? found.begin() : found.end(), {v1, path});
  }
  return found;
}

// The root of a tree. The mount is attached nowhere, so it goes with its descriptors.
Fd mount_tree(bool v1) {
  std::string name = v1 ? "the control groups of devices" : "the control groups (v2)";
  Fd context(fsopen(v1 ? "cgroup" : "cgroup2", FSOPEN_CLOEXEC));
  if (context.get() < 0) fail("mount", name);
  if (v1 && fsconfig(context.get(), FSCONFIG_SET_FLAG, "devices", nullptr, 0) != 0) {
    fail("mount", name);
  }
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) fail("mount", name);
  Fd root(fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (root.get() < 0) fail("mount", name);
  return root;
}

bool has_file(Fd const& directory, char const* name) {
  if (faccessat(directory.get(), name, F_OK, 0) == 0) return true;
  if (errno != ENOENT) fail("look for", name);
  return false;
}

// A process's own group in a tree, and what is made below it.
class Group {
 public:
  // Nothing, if the process is in no group but the root.
  static std::optional<Group> open(Membership const& membership) {
    Fd root = mount_tree(membership.v1);
    std::string relative = "." + membership.path;
    Group group(membership.v1, membership.path);
    group.fd_ = Fd(openat(root.get(), relative.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (group.fd_.get() < 0) fail("open", group.name());
    // With a namespace a path "/" need not mean the root, but only the root has, or lacks, these.
    bool is_root = membership.v1 ? has_file(group.fd_, "release_agent")
                                 : !has_file(group.fd_, "cgroup.events");
    return is_root ? std::nullopt : std::optional(std::move(group));
  }

  // Makes both groups, sets the rules, and enters. What it made is gone again if that fails.
  void enter_without_devices() {
    remove();  // those of a process before this one
    try {
      make(kOuter);
      v1_ ? set_rules() : attach_program();
      make(kInner);
      write_to(std::string(kInner) + "/cgroup.procs", "0");  // the writer
    } catch (...) {
      remove();
      throw;
    }
  }

 private:
  Group(bool v1, std::string path) : v1_(v1), path_(std::move(path)) {}

  std::string name(std::string const& below = "") const {
    return "the control group " + path_ + (below.empty() || path_ == "/" ? "" : "/") + below;
  }

  void remove() const {
    for (auto const* group : {kInner, kOuter}) (void)unlinkat(fd_.get(), group, AT_REMOVEDIR);
  }

  void make(char const* group) const {
    if (mkdirat(fd_.get(), group, 0700) != 0) fail("make", name(group));
  }

  void write_to(std::string const& file, std::string_view text) const {
    Fd fd(openat(fd_.get(), file.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd.get() < 0) fail("open", name(file));
    if (write(fd.get(), text.data(), text.size()) < 0) fail("write", name(file));
  }

  void set_rules() const {
    std::string outer(kOuter);
    write_to(outer + "/devices.deny", "a");
    for (auto const* rule : {"c *:* m", "b *:* m"}) write_to(outer + "/devices.allow", rule);
  }

  void attach_program() const;

  bool v1_;
  std::string path_;
  Fd fd_;
};

// A union: only this way all of it is zero, which the kernel demands.
bpf_attr no_attributes() {
  bpf_attr attributes;
  std::memset(&attributes, 0, sizeof attributes);
  return attributes;
}

int bpf(bpf_cmd command, bpf_attr& attributes) {
  return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes));
}

constexpr bpf_insn instruction(unsigned code, unsigned to, unsigned from, int offset, int value) {
  return {static_cast<__u8>(code), static_cast<__u8>(to & 0xfU), static_cast<__u8>(from & 0xfU),
          static_cast<__s16>(offset), value};
}

// For each access the kernel asks every program of the group and of those above it. All must allow
// it, the engine's too.
void Group::attach_program() const {
  constexpr int kOpening = (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE) << 16;
  std::array<bpf_insn, 5> program = {
      // r2 = context->access_type; r0 = "no"; if (!(r2 & kOpening)) r0 = "yes"; return r0
      instruction(BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(bpf_cgroup_dev_ctx, access_type), 0),
      instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
      instruction(BPF_JMP | BPF_JSET | BPF_K, 2, 0, 1, kOpening),
      instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1),
      instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
  };
  bpf_attr load = no_attributes();
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = reinterpret_cast<std::uintptr_t>(program.data());
  load.insn_cnt = program.size();
  load.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  Fd rules(bpf(BPF_PROG_LOAD, load));
  if (rules.get() < 0) fail("load device rules for", name(kOuter));

  Fd outer(openat(fd_.get(), kOuter, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (outer.get() < 0) fail("open", name(kOuter));
  bpf_attr attach = no_attributes();
  attach.target_fd = static_cast<__u32>(outer.get());
  attach.attach_bpf_fd = static_cast<__u32>(rules.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attach) != 0) fail("attach device rules to", name(kOuter));
}

// One line of /proc/self/mountinfo.
struct MountLine {
  std::string id;
  std::string parent;
  std::string target;
  std::string type;
  bool shared = false;
};

std::vector<MountLine> mounts() {
  std::ifstream lines("/proc/self/mountinfo");
  std::vector<MountLine> all;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    MountLine mount;
    std::string field;
    fields >> mount.id >> mount.parent >> field >> field >> mount.target >> field;
    while (fields >> field && field != "-") mount.shared |= field.starts_with("shared:");
    fields >> mount.type;
    all.push_back(std::move(mount));
  }
  if (!lines.eof() || all.empty()) throw Error("read", "/proc/self/mountinfo", EIO);
  return all;
}

// The container's mounts of control groups show groups above the namespace's root, and a process
// can leave through them. What they lie on may be shared (runc 1.3 does that); it is made private
// first, so that nobody else loses a mount.
void unmount_control_groups() {
  auto all = mounts();
  for (auto groups = all.rbegin(); groups != all.rend(); ++groups) {
    if (groups->type != "cgroup" && groups->type != "cgroup2") continue;
    auto below = std::find_if(all.begin(), all.end(),
                              [&](MountLine const& line) { return line.id == groups->parent; });
    if (below != all.end() && below->shared &&
        mount(nullptr, below->target.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) {
      fail("make private", below->target);
    }
    if (umount2(groups->target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) {
      fail("unmount", groups->target);
    }
  }
}

// In the group of a service or a login other processes would find new groups below theirs, and
// nobody would remove those. /proc/self differs from getpid() if /proc belongs to another PID
// namespace.
void check_first_of_a_container() {
  std::array<char, 16> self{};
  ssize_t length = readlink("/proc/self", self.data(), self.size());
  if (length < 0) fail("read", "/proc/self");
  std::string_view number(self.data(), static_cast<std::size_t>(length));
  if (getpid() == 1 && number == "1") return;
  throw std::runtime_error("this is not the first process of a container");
}

void check_refused() {
  Fd device(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (device.get() >= 0) throw std::runtime_error("this kernel does not follow the device rules");
}

}  // namespace

void give_up_devices() {
  check_first_of_a_container();
  for (auto const& membership : memberships()) {
    auto group = Group::open(membership);
    if (!group) continue;
    group->enter_without_devices();
    if (unshare(CLONE_NEWCGROUP) != 0) fail("unshare", "the control groups");
    unmount_control_groups();
    check_refused();
    return;
  }
  throw std::runtime_error("nobody made a control group for this container");
}

}  // namespace snapclone::sys
