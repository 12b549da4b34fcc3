// SPDX-License-Identifier: Apache-2.0
#include "sys/device_rules.hpp"

#include "kit/child.hpp"
#include "kit/container.hpp"
#include "kit/failing_calls.hpp"
#include "kit/media.hpp"
#include "kit/plant.hpp"
#include "kit/requirements.hpp"
#include "sys/capabilities.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <array>
#include <fstream>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

// What opening a file comes to: "" or the reason why not.
std::string opened(fs::path const& path) {
  sys::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file.get() >= 0 ? "" : sys::errno_text(errno);
}

// Why a test with such groups cannot be made here; "" if it can.
std::string why_no_rules(Version version) {
  try {
    ContainerGroup group(version);
    if (version == Version::v1) return "";
    std::ifstream lines("/proc/self/cgroup");
    for (std::string line; std::getline(lines, line);) {
      if (line.find(":devices:") != std::string::npos && !line.ends_with(":/")) {
        return "this process is in a group of control groups v1, which come first";
      }
    }
    return "";
  } catch (std::exception const& error) {
    return std::string("no device rules of control groups ") +
           (version == Version::v1 ? "v1" : "v2") + ": " + error.what();
  }
}

auto has_device_rules(Version version) {
  return
      [version](boost::unit_test::test_unit_id) { return fulfilled_unless(why_no_rules(version)); };
}

std::string give_up_and(Work const& work) {
  std::string before = opened("/dev/zero");
  if (!before.empty()) return "before: " + before;
  sys::give_up_devices();
  return work();
}

std::string refused() {
  try {
    sys::give_up_devices();
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "nothing was refused";
}

std::string const kRefused = sys::errno_text(EPERM);

void check_opening(Version version) {
  ContainerGroup group(version);
  auto opening = [] { return give_up_and([] { return opened("/dev/zero"); }); };
  BOOST_TEST(in_a_container(&group, opening) == kRefused);
}

void check_making(Version version) {
  ContainerGroup group(version);
  Media disk("tmpfs");
  auto making = [&] {
    return give_up_and([&]() -> std::string {
      struct File {
        char const* name;
        mode_t type;
        dev_t device;
      };
      File const files[] = {{"character", S_IFCHR, makedev(1, 5)},
                            {"block", S_IFBLK, makedev(7, 0)},
                            {"whiteout", S_IFCHR, makedev(0, 0)}};
      std::string result;
      for (auto const& [name, type, device] : files) {
        fs::path file = disk.path / name;
        if (mknod(file.c_str(), type | 0600, device) != 0) sys::fail("make", file.string());
        if (chown(file.c_str(), 1000, 1000) != 0) sys::fail("change", file.string());
        result += opened(file) + ", ";
      }
      return result;
    });
  };
  // The last one is no device, and to no rule one.
  std::string none = sys::errno_text(ENXIO);
  BOOST_TEST(in_a_container(&group, making) == kRefused + ", " + kRefused + ", " + none + ", ");
}

void check_working(Version version) {
  ContainerGroup group(version);
  Media disk("xfs");
  auto working = [&]() -> std::string {
    sys::Fd zero(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    sys::give_up_devices();
    std::array<char, 16> bytes{};
    if (read(zero.get(), bytes.data(), bytes.size()) != 16) return "reading what is open failed";
    if (getrandom(bytes.data(), bytes.size(), 0) != 16) return "there are no random numbers";
    for (auto const* name : {"lower", "upper", "work", "overlay", "tmpfs"}) {
      fs::create_directory(disk.path / name);
    }
    plant_file(disk.path / "lower" / "file", "content");
    sys::Fd root = sys::open_dir(disk.path);
    if (sys::sync_filesystem(root.get()) != 0) return "syncing failed";
    sys::mount_overlay({root.get(), "test", {"lower"}, "upper", "work", "index=off"},
                       disk.path / "overlay");
    fs::remove(disk.path / "overlay" / "file");  // which makes a device file in the upper directory
    sys::mount_tmpfs(disk.path / "tmpfs", "size=1m");
    plant_file(disk.path / "tmpfs" / "file", "content");
    return opened("/dev/zero");
  };
  BOOST_TEST(in_a_container(&group, working) == kRefused);
}

// A file system that the machine has mounted is another matter: newer kernels show it again without
// opening the device. So this asks for one of another kind, for which they have to.
void check_mounting(Version version) {
  ContainerGroup group(version);
  Media disk("xfs");
  Media elsewhere("tmpfs", "size=1m,mode=0700");
  auto mounting = [&]() -> std::string {
    fs::path file = elsewhere.path / "device";
    fs::path target = elsewhere.path / "target";
    fs::create_directory(target);
    if (mknod(file.c_str(), S_IFBLK | 0600, sys::device_of(disk.path)) != 0) return "no device";
    auto mount_it = [&] { return mount(file.c_str(), target.c_str(), "ext4", 0, nullptr); };
    if (mount_it() == 0 || errno != EBUSY) return "before: " + sys::errno_text(errno);
    sys::give_up_devices();
    return mount_it() == 0 ? "mounted" : sys::errno_text(errno);
  };
  BOOST_TEST(in_a_container(&group, mounting) == kRefused);
}

void check_neighbour(Version version) {
  ContainerGroup group(version);
  auto opening = [] { return opened("/dev/zero"); };
  BOOST_TEST(in_a_container(
                 &group, [&] { return give_up_and(opening); }, opening) == kRefused);
}

// With all capabilities; the plugin has fewer.
void check_getting_back(Version version) {
  ContainerGroup group(version);
  Media disk("tmpfs");
  auto trying = [&] {
    return give_up_and([&]() -> std::string {
      bool v1 = version == Version::v1;
      fs::path tree = disk.path / "tree";
      fs::create_directory(tree);
      if (mount("x", tree.c_str(), v1 ? "cgroup" : "cgroup2", 0, v1 ? "devices" : "") != 0) {
        sys::fail("mount", "control groups");
      }
      // No group above, so no way out. The rules that show are bounded by those of the group above.
      if (fs::exists(tree / "snapclone") || fs::exists(tree / "plugin")) return "the group shows";
      std::ofstream((tree / "cgroup.procs").string()) << 0 << std::flush;
      if (v1) std::ofstream((tree / "devices.allow").string()) << "a" << std::flush;
      std::ifstream mounts("/proc/self/mountinfo");
      for (std::string line; std::getline(mounts, line);) {
        if (line.find(" - cgroup") != std::string::npos &&
            line.find(tree.string()) == std::string::npos) {
          return "still mounted: " + line;
        }
      }
      return opened("/dev/zero");
    });
  };
  BOOST_TEST(in_a_container(&group, trying) == kRefused);
}

void check_shared_mounts(Version version) {
  ContainerGroup group(version);
  Media disk("tmpfs");
  fs::path tree = disk.path / "tree";
  auto seen = [&]() -> std::string {
    return fs::exists(tree / "cgroup.procs") ? "mounted" : "not mounted";
  };
  auto sharing = [&] {
    fs::create_directory(tree);
    bool v1 = version == Version::v1;
    if (mount(nullptr, disk.path.c_str(), nullptr, MS_SHARED, nullptr) != 0 ||
        mount("x", tree.c_str(), v1 ? "cgroup" : "cgroup2", 0, v1 ? "devices" : "") != 0 ||
        unshare(CLONE_NEWNS) != 0) {
      sys::fail("share", tree.string());
    }
    return give_up_and(seen);
  };
  BOOST_TEST(in_a_container(&group, sharing, seen) == "not mountedmounted");
}

// Those that Docker gives every container, CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH.
void check_capabilities(Version version) {
  ContainerGroup group(version);
  auto giving_up = [] {
    sys::keep_capabilities(0xa82425ff);
    return give_up_and([] { return opened("/dev/zero"); });
  };
  BOOST_TEST(in_a_container(&group, giving_up) == kRefused);
}

void check_second_start(Version version) {
  ContainerGroup group(version);
  for (int start = 0; start < 3; ++start) {
    auto opening = [] { return give_up_and([] { return opened("/dev/zero"); }); };
    BOOST_TEST(in_a_container(&group, opening) == kRefused);
  }
}

void check_failing_calls(Version version) {
  struct Call {
    std::string name;
    std::string other_form;  // that C libraries use
    bool is_late;            // the process is in the new groups already
  };
  std::vector<Call> calls = {
      {"readlink", "readlinkat", false}, {"openat", "open", false},
      {"fsopen", "fsopen", false},       {"fsconfig", "fsconfig", false},
      {"fsmount", "fsmount", false},     {"faccessat", "faccessat2", false},
      {"mkdirat", "mkdirat", false},     {"unshare", "unshare", true},
      {"umount2", "umount2", true},
  };
  if (version == Version::v2) calls.push_back({"bpf", "bpf", false});
  for (auto const& [name, other_form, is_late] : calls) {
    BOOST_TEST_CONTEXT(name) {
      ContainerGroup group(version);
      auto failing = [&, &call = name, &form = other_form] {
        fail_calls({{call, ENOMEM}, {form, ENOMEM}});
        return refused();
      };
      std::string sentence = in_a_container(&group, failing);
      BOOST_TEST_MESSAGE(sentence);
      BOOST_TEST(sentence.find(sys::errno_text(ENOMEM)) != std::string::npos, sentence);
      BOOST_TEST(group.has_groups() == is_late);
    }
  }
}

// Its group is the root. Without v1 or v2 there is no such tree to be in.
std::string why_no_root() {
  for (auto version : {Version::v1, Version::v2}) {
    if (!why_no_rules(version).empty()) continue;
    if (!ContainerGroup(version).is_whole()) return "this process sees no root of control groups";
  }
  return "";
}

auto sees_the_root(boost::unit_test::test_unit_id) { return fulfilled_unless(why_no_root()); }

}  // namespace

BOOST_AUTO_TEST_SUITE(device_rules)

BOOST_AUTO_TEST_CASE(a_process_that_is_not_the_first_of_a_container_keeps_what_it_may) {
  BOOST_TEST(in_a_child([] { return refused() + opened("/dev/zero"); }).text ==
             "this is not the first process of a container");
}

BOOST_AUTO_TEST_CASE(a_process_without_a_group_of_its_own_keeps_what_it_may,
                     *boost::unit_test::precondition(sees_the_root)) {
  auto in_the_root = [] {
    for (auto version : {Version::v1, Version::v2}) {
      if (why_no_rules(version).empty()) ContainerGroup(version).enter_root();
    }
    return in_a_container(nullptr, [] { return refused() + opened("/dev/zero"); });
  };
  BOOST_TEST(in_a_child(in_the_root).text == "nobody made a control group for this container");
}

BOOST_AUTO_TEST_SUITE(v1, *boost::unit_test::precondition(has_device_rules(Version::v1)))

BOOST_AUTO_TEST_CASE(no_device_can_be_opened_afterwards) { check_opening(Version::v1); }
BOOST_AUTO_TEST_CASE(device_files_can_still_be_made) { check_making(Version::v1); }
BOOST_AUTO_TEST_CASE(open_files_mounts_and_new_overlays_go_on,
                     *boost::unit_test::precondition(can_make("xfs"))) {
  check_working(Version::v1);
}
BOOST_AUTO_TEST_CASE(a_block_device_cannot_be_mounted,
                     *boost::unit_test::precondition(can_make("xfs"))) {
  check_mounting(Version::v1);
}
BOOST_AUTO_TEST_CASE(other_processes_of_the_group_are_not_concerned) {
  check_neighbour(Version::v1);
}
BOOST_AUTO_TEST_CASE(a_process_that_may_mount_cannot_undo_it) { check_getting_back(Version::v1); }
BOOST_AUTO_TEST_CASE(mounts_that_others_share_stay_theirs) { check_shared_mounts(Version::v1); }
BOOST_AUTO_TEST_CASE(another_start_in_the_same_group_works) { check_second_start(Version::v1); }
BOOST_AUTO_TEST_CASE(the_capabilities_of_a_managed_plugin_are_enough) {
  check_capabilities(Version::v1);
}
BOOST_AUTO_TEST_CASE(if_any_call_fails_the_reason_is_told_and_no_group_is_left,
                     *boost::unit_test::precondition(kernel_takes_filters)) {
  check_failing_calls(Version::v1);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(v2, *boost::unit_test::precondition(has_device_rules(Version::v2)))

BOOST_AUTO_TEST_CASE(no_device_can_be_opened_afterwards) { check_opening(Version::v2); }
BOOST_AUTO_TEST_CASE(device_files_can_still_be_made) { check_making(Version::v2); }
BOOST_AUTO_TEST_CASE(open_files_mounts_and_new_overlays_go_on,
                     *boost::unit_test::precondition(can_make("xfs"))) {
  check_working(Version::v2);
}
BOOST_AUTO_TEST_CASE(a_block_device_cannot_be_mounted,
                     *boost::unit_test::precondition(can_make("xfs"))) {
  check_mounting(Version::v2);
}
BOOST_AUTO_TEST_CASE(other_processes_of_the_group_are_not_concerned) {
  check_neighbour(Version::v2);
}
BOOST_AUTO_TEST_CASE(a_process_that_may_mount_cannot_undo_it) { check_getting_back(Version::v2); }
BOOST_AUTO_TEST_CASE(mounts_that_others_share_stay_theirs) { check_shared_mounts(Version::v2); }
BOOST_AUTO_TEST_CASE(another_start_in_the_same_group_works) { check_second_start(Version::v2); }
BOOST_AUTO_TEST_CASE(the_capabilities_of_a_managed_plugin_are_enough) {
  check_capabilities(Version::v2);
}
BOOST_AUTO_TEST_CASE(if_any_call_fails_the_reason_is_told_and_no_group_is_left,
                     *boost::unit_test::precondition(kernel_takes_filters)) {
  check_failing_calls(Version::v2);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
