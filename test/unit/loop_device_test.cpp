// SPDX-License-Identifier: Apache-2.0
#include "image/loop_device.hpp"

#include "image_fixture.hpp"
#include "kit/command.hpp"
#include "kit/failing_calls.hpp"
#include "kit/meanwhile.hpp"
#include "sys/error.hpp"

#include <thread>

#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

namespace snapclone::test {
namespace {

using namespace std::string_literals;

using image::device_of;
using image::DeviceNode;
using image::LoopDevice;

struct Loops : OnExt4 {
  Loops() { make(file); }

  static void make(fs::path const& path) {
    std::ofstream(path.string()) << "content";
    fs::resize_file(path, 64 * kMiB);
  }

  static sys::Fd opened(fs::path const& path) {
    sys::Fd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
    BOOST_REQUIRE(fd.get() >= 0);
    return fd;
  }

  static LoopDevice device(fs::path const& path, std::chrono::milliseconds patience = kPatience) {
    return device_of(opened(path).get(), path.string(), patience);
  }

  std::string refused(std::chrono::milliseconds patience = kPatience) const {
    try {
      device(file, patience);
    } catch (std::runtime_error const& error) {
      return error.what();
    }
    return "";
  }

  static std::optional<dev_t> found(fs::path const& path) {
    auto device = LoopDevice::find(status_of(path));
    return device ? std::optional(device->number()) : std::nullopt;
  }

  // Attaches it as an administrator would, without a lock.
  std::string by_hand(std::string const& options) const {
    return run("losetup --find --show " + options + " " + file.string());
  }

  fs::path const file = disk.path / "file";
};

// An empty /dev, for this process alone.
void make_private_dev(unsigned long flags) {
  if (unshare(CLONE_NEWNS) != 0 || mount("tmpfs", "/dev", "tmpfs", flags, "mode=755") != 0) {
    sys::fail("make", "a private /dev");
  }
}

std::string names_in_dev() {
  std::string names;
  for (auto const& name : sys::list_dir("/dev")) names += name + " ";
  return names;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(loop_device, Loops, *boost::unit_test::precondition(can_make("ext4")))

BOOST_AUTO_TEST_CASE(a_file_is_attached_once_and_let_go_with_the_last_user) {
  {
    LoopDevice first = device(file);
    LoopDevice second = device(file);
    BOOST_TEST(first.number() == second.number());
    BOOST_TEST(loops_with(file).size() == 1U);
  }
  BOOST_TEST(eventually([&] { return loops_with(file).empty(); }));
}

BOOST_AUTO_TEST_CASE(a_device_has_blocks_of_4096_bytes_and_direct_io_where_the_file_can) {
  LoopDevice attached = device(file);
  int block = 0;
  BOOST_REQUIRE(ioctl(attached.node().fd(), BLKSSZGET, &block) == 0);
  BOOST_TEST(block == 4096);
  BOOST_TEST(attached.direct_io());
}

BOOST_AUTO_TEST_CASE(where_the_file_cannot_do_direct_io_the_device_says_so) {
  fs::path memory = disk.path / "memory";
  fs::create_directory(memory);
  BOOST_REQUIRE(::mount("ramfs", memory.c_str(), "ramfs", 0, nullptr) == 0);
  make(memory / "file");
  {
    LoopDevice attached = device(memory / "file");
    BOOST_TEST(!attached.direct_io());
  }
  BOOST_TEST(eventually([&] { return loops_with(memory / "file").empty(); }));
  sys::unmount(memory);
}

BOOST_AUTO_TEST_CASE(a_device_is_found_when_its_file_has_another_name_or_path) {
  LoopDevice attached = device(file);
  fs::path renamed = disk.path / "renamed";
  fs::rename(file, renamed);
  BOOST_TEST((found(renamed) == attached.number()));
  fs::create_hard_link(renamed, disk.path / "link");
  BOOST_TEST((found(disk.path / "link") == attached.number()));
  fs::path elsewhere = disk.path / "elsewhere";
  fs::create_directory(elsewhere);
  sys::bind(disk.path, elsewhere);
  BOOST_TEST((found(elsewhere / "renamed") == attached.number()));
  sys::unmount(elsewhere);
}

BOOST_AUTO_TEST_CASE(a_copy_and_another_file_under_the_old_name_are_other_files) {
  LoopDevice attached = device(file);
  fs::copy_file(file, disk.path / "copy");
  BOOST_TEST((found(disk.path / "copy") == std::nullopt));
  fs::rename(file, disk.path / "renamed");
  make(file);
  BOOST_TEST((found(file) == std::nullopt));
  LoopDevice other = device(file);
  BOOST_TEST(other.number() != attached.number());
}

BOOST_AUTO_TEST_CASE(a_device_that_has_the_file_read_only_is_refused) {
  std::string node = by_hand("--read-only");
  BOOST_TEST(refused() == node +
                              " has it already, read-only: unmount what is mounted from that, "
                              "and detach it with \"losetup -d\"");
  BOOST_TEST(loops_with(file) == std::vector<std::string>{node}, boost::test_tools::per_element());
  run("losetup -d " + node);
}

BOOST_AUTO_TEST_CASE(a_device_that_has_a_part_of_the_file_is_refused) {
  for (auto const* part : {"--offset 4096", "--sizelimit 1048576"}) {
    std::string node = by_hand(part);
    BOOST_TEST(contains(refused(), node + " has it already, and only a part of it"));
    BOOST_TEST(loops_with(file).size() == 1U);
    run("losetup -d " + node);
    BOOST_TEST(eventually([&] { return loops_with(file).empty(); }));
  }
}

BOOST_AUTO_TEST_CASE(a_usable_device_is_found_beside_one_that_is_not) {
  for (bool first : {false, true}) {
    std::string before = first ? by_hand("--read-only") : "";
    std::string usable = by_hand("");
    std::string after = by_hand("--read-only");
    BOOST_TEST(device(file).node().path() == usable);
    for (auto const& node : {before, usable, after}) {
      if (!node.empty()) run("losetup -d " + node);
    }
    BOOST_TEST(eventually([&] { return loops_with(file).empty(); }));
  }
}

BOOST_AUTO_TEST_CASE(a_device_that_was_attached_by_hand_is_used) {
  std::string node = by_hand("");
  BOOST_TEST(device(file).node().path() == node);
  BOOST_TEST(loops_with(file).size() == 1U);
  run("losetup -d " + node);
}

BOOST_AUTO_TEST_CASE(somebody_who_has_the_file_locked_and_does_not_attach_it_is_named) {
  sys::Fd other = opened(file);
  BOOST_REQUIRE(flock(other.get(), LOCK_EX) == 0);
  BOOST_TEST(refused(50ms) == "cannot attach " + file.string() +
                                  ": another process has it locked, and no loop device has it. Is "
                                  "it being copied or moved? Try again when that has ended");
  BOOST_TEST(loops_with(file).empty());
}

BOOST_AUTO_TEST_CASE(somebody_who_has_the_file_locked_for_a_moment_is_waited_for) {
  sys::Fd other = opened(file);
  BOOST_REQUIRE(flock(other.get(), LOCK_EX) == 0);
  std::thread soon([&] {
    std::this_thread::sleep_for(100ms);
    flock(other.get(), LOCK_UN);
  });
  BOOST_TEST(refused() == "");
  soon.join();
}

BOOST_AUTO_TEST_CASE(processes_that_attach_it_at_once_get_the_same_device) {
  for (int round = 0; round < 5; ++round) {
    std::vector<Child> children;
    for (int i = 0; i < 8; ++i) {
      children.emplace_back([&] {
        LoopDevice attached = device(file);
        std::this_thread::sleep_for(100ms);  // so that they overlap, and one device does for all
        return attached.node().path().string() + " " + std::to_string(loops_with(file).size());
      });
    }
    for (auto& child : children) {
      auto result = child.wait();
      BOOST_TEST(result.succeeded, result.text);
      BOOST_TEST(contains(result.text, " 1"));
    }
    BOOST_TEST(eventually([&] { return loops_with(file).empty(); }));
  }
}

BOOST_AUTO_TEST_CASE(devices_that_come_and_go_meanwhile_disturb_nobody) {
  fs::path other = disk.path / "other";
  make(other);
  LoopDevice attached = device(file);
  Meanwhile busy([&] { device(other); });
  for (int i = 0; i < 300; ++i) BOOST_REQUIRE((found(file) == attached.number()));
}

BOOST_AUTO_TEST_CASE(a_device_takes_the_new_size_of_its_file) {
  LoopDevice attached = device(file);
  fs::resize_file(file, 96 * kMiB);
  attached.take_new_size();
  std::uint64_t size = 0;
  BOOST_REQUIRE(ioctl(attached.node().fd(), BLKGETSIZE64, &size) == 0);
  BOOST_TEST(size == 96 * kMiB);
}

BOOST_AUTO_TEST_CASE(nodes_that_were_missing_are_made_and_removed) {
  auto result = in_a_child([&] {
    make_private_dev(0);
    std::string names;
    {
      LoopDevice attached = device(file);
      names = names_in_dev();
    }
    return names + "then " + names_in_dev();
  });
  BOOST_TEST(result.succeeded, result.text);
  BOOST_TEST(result.text.substr(0, 4) == "loop");
  BOOST_TEST(result.text.substr(result.text.find(' ')) == " then ");
}

BOOST_AUTO_TEST_CASE(nodes_that_were_there_are_kept) {
  auto result = in_a_child([&] {
    make_private_dev(0);
    if (mknod("/dev/loop-control", S_IFCHR | 0600, makedev(10, 237)) != 0) return "no node"s;
    device(file);
    return names_in_dev();
  });
  BOOST_TEST(result.succeeded, result.text);
  BOOST_TEST(result.text == "loop-control ");
}

BOOST_AUTO_TEST_CASE(processes_that_make_the_same_node_do_not_disturb_each_other) {
  auto result = in_a_child([] {
    make_private_dev(0);
    std::vector<Child> children;
    for (int i = 0; i < 4; ++i) {
      children.emplace_back([] {
        for (int round = 0; round < 3000; ++round) {
          DeviceNode node("/dev/zero", S_IFCHR, makedev(1, 5), O_RDONLY);
          char byte = 'x';
          if (read(node.fd(), &byte, 1) != 1 || byte != 0)
            throw std::runtime_error("not /dev/zero");
        }
        return ""s;
      });
    }
    for (auto& child : children) {
      auto one = child.wait();
      if (!one.succeeded) throw std::runtime_error(one.text);
    }
    return names_in_dev();
  });
  BOOST_TEST(result.succeeded, result.text);
  BOOST_TEST(result.text == "");
}

BOOST_AUTO_TEST_CASE(who_may_not_open_or_make_a_node_is_told_about_the_variant_and_leaves_nothing) {
  for (bool may_make : {false, true}) {
    auto result = in_a_child([&] {
      make_private_dev(may_make ? MS_NODEV : 0);
      if (!may_make) fail_calls({{"mknodat", EPERM}});
      return refused() + "|" + names_in_dev();
    });
    BOOST_TEST(result.succeeded, result.text);
    BOOST_TEST(contains(result.text, "install the variant whose tag ends in \"-image\""));
    BOOST_TEST(
        contains(result.text, may_make ? "cannot open /dev/loop" : "cannot make the device"));
    BOOST_TEST(result.text.substr(result.text.find('|')) == "|");
  }
  BOOST_TEST(loops_with(file).empty());
}

BOOST_AUTO_TEST_CASE(a_node_without_a_driver_is_said_to_need_the_module) {
  auto result = in_a_child([] {
    make_private_dev(0);
    constexpr unsigned kNobodys = 261;  // of the major number 10
    DeviceNode("/dev/loop-control", S_IFCHR, makedev(10, kNobodys), O_RDWR);
    return ""s;
  });
  BOOST_TEST(contains(result.text, "load the module \"loop\" on the host"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
