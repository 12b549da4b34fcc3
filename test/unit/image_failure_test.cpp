// SPDX-License-Identifier: Apache-2.0
#include "image/image.hpp"
#include "image_fixture.hpp"
#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"
#include "sys/error.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>

// Several processes at once, kills, failures of system calls, and missing rights.
namespace snapclone::test {
namespace {

using namespace std::string_literals;

// What a start consists of, in the order in which it comes first.
constexpr char const* kCalls[] = {"flock",   "ftruncate", "fallocate", "pwrite64", "fsync",
                                  "mknodat", "ioctl",     "mount",     "write",    "renameat2"};

struct Failures : OnExt4 {
  // Eight starts at once. The device that each had, and the number of devices then.
  void start_at_once() {
    std::vector<Child> children;
    for (int i = 0; i < 8; ++i) {
      children.emplace_back([&] {
        mount();
        return std::to_string(device_number(pool)) + " " +
               std::to_string(loops_on(disk.path).size());
      });
    }
    for (auto& child : children) {
      auto result = child.wait();
      BOOST_TEST(result.succeeded, result.text);
      BOOST_TEST(result.text == std::to_string(device_number(pool)) + " 1");
    }
    BOOST_TEST(loops_with(files.image).size() == 1U);  // the one with the name is the one mounted
    BOOST_TEST(!fs::exists(files.made));
    sys::unmount(pool);
    BOOST_TEST(!is_mounted());  // there was one mount
    unmount();
  }

  // A start that cannot fail, with a file that is kept.
  void works() {
    mount();
    if (fs::exists(pool / "file")) {
      BOOST_TEST(read_text(pool / "file") == "kept");
    }
    BOOST_TEST(loops_on(disk.path).size() == 1U);
    BOOST_TEST(loops_with(files.image).size() == 1U);
    BOOST_TEST(!fs::exists(files.made));
    unmount();
  }

  void remove_image() const {
    for (auto const& path : {files.image, files.made, files.reserve}) fs::remove(path);
  }

  void make() {
    mount();
    write_text(pool / "file", "kept");
    unmount();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(image_failures, Failures,
                         *boost::unit_test::precondition(can_make("ext4")) *
                             boost::unit_test::precondition(kernel_takes_filters))

BOOST_AUTO_TEST_CASE(starts_at_once_make_one_image_with_one_device_and_one_mount) {
  for (int round = 0; round < 5; ++round) {
    start_at_once();
    remove_image();
  }
}

BOOST_AUTO_TEST_CASE(starts_at_once_mount_an_image_once) {
  make();
  for (int round = 0; round < 5; ++round) start_at_once();
}

BOOST_AUTO_TEST_CASE(starts_at_once_after_one_was_killed_make_one_image) {
  for (auto const* call : {"ftruncate", "ioctl", "renameat2"}) {
    in_a_child([&] {
      die_at(call);
      mount();
      return ""s;
    });
    BOOST_TEST(fs::exists(files.made));
    start_at_once();
    remove_image();
  }
}

BOOST_AUTO_TEST_CASE(a_start_that_was_killed_anywhere_is_followed_by_one_that_works) {
  for (auto const* call : kCalls) {
    for (bool rebooted : {false, true}) {
      auto killed = in_a_child([&] {
        die_at(call);
        mount();
        return ""s;
      });
      BOOST_TEST(killed.signal == SIGSYS, call << " is not made: " << killed.text);
      BOOST_TEST(!fs::exists(files.image));
      if (rebooted) unmount();
      works();
      remove_image();
    }
  }
}

BOOST_AUTO_TEST_CASE(an_image_that_was_mounted_and_lacks_its_name_gets_it_with_all_that_is_in_it) {
  auto killed = in_a_child([&] {
    die_at("renameat2");
    mount();
    return ""s;
  });
  BOOST_TEST(killed.signal == SIGSYS);
  BOOST_TEST(is_mounted());
  BOOST_TEST(!fs::exists(files.image));
  BOOST_TEST(image::has_image(pool));
  auto inode = status_of(files.made).st_ino;
  write_text(pool / "file", "kept");
  BOOST_TEST(mount().is_new);
  BOOST_TEST(status_of(files.image).st_ino == inode);
  BOOST_TEST(read_text(pool / "file") == "kept");
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_leaves_nothing_or_an_image_that_the_next_start_uses) {
  for (auto const* call : kCalls) {
    for (int code : {ENOSPC, EIO, EPERM}) {
      auto result = in_a_child([&] {
        fail_calls({{call, code}});
        try {
          mount({.size = kGiB, .patience = 100ms});
        } catch (image::Unavailable const& error) {
          return "unavailable: "s + error.what();
        }
        return "mounted"s;
      });
      std::string what = call + " fails with "s + sys::errno_text(code) + ": " + result.text;
      BOOST_TEST(result.signal == 0, what);
      BOOST_TEST((result.text == "mounted" || contains(result.text, sys::errno_text(code))), what);
      if (result.text.find("unavailable") == 0) {
        BOOST_TEST(code == EPERM, what);
        BOOST_TEST(!is_mounted(), what);
        BOOST_TEST(!fs::exists(files.image), what);
        BOOST_TEST(!fs::exists(files.made), what);
        BOOST_TEST(eventually([&] { return loops_on(disk.path).empty(); }), what);
      } else if (!is_mounted()) {
        BOOST_TEST(!fs::exists(files.image), what);
      }
      works();
      remove_image();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_does_not_harm_an_image_that_exists) {
  make();
  for (auto const* call : kCalls) {
    for (int code : {ENOSPC, EIO, EPERM}) {
      auto result = in_a_child([&] {
        fail_calls({{call, code}});
        mount({.size = kGiB, .patience = 100ms});
        return "mounted"s;
      });
      BOOST_TEST(
          (result.succeeded || contains(result.text, "holds the volumes and cannot be used")),
          call << ": " << result.text);
      works();
    }
  }
}

BOOST_AUTO_TEST_CASE(without_the_right_to_loop_devices_there_is_no_image_and_nothing_is_left) {
  auto result = in_a_child([&] {
    if (unshare(CLONE_NEWNS) != 0 || ::mount("none", "/dev", "tmpfs", MS_NODEV, nullptr) != 0) {
      return "no /dev"s;
    }
    return refusal_where_mounted(small);
  });
  BOOST_TEST(result.text.find("unavailable: cannot open /dev/loop") == 0U);
  BOOST_TEST(contains(result.text, "install the variant whose tag ends in \"-image\""));
  BOOST_TEST(fs::is_empty(pool));
  fs::remove(pool);
  fs::remove(disk.path / "lost+found");
  BOOST_TEST(fs::is_empty(disk.path));
}

BOOST_AUTO_TEST_CASE(without_the_right_to_loop_devices_an_image_that_exists_is_not_ignored) {
  make();
  auto result = in_a_child([&] {
    if (unshare(CLONE_NEWNS) != 0 || ::mount("none", "/dev", "tmpfs", MS_NODEV, nullptr) != 0) {
      return "no /dev"s;
    }
    return refusal_where_mounted(small);
  });
  BOOST_TEST(result.text.find("the image " + files.image.string() +
                              " holds the volumes and cannot be used: cannot open /dev/loop") ==
             0U);
  BOOST_TEST(contains(result.text, "install the variant whose tag ends in \"-image\""));
  works();
}

BOOST_AUTO_TEST_CASE(without_xfs_in_the_kernel_there_is_no_image_and_nothing_is_left) {
  std::string why;
  in_a_thread([&] {
    fail_calls({{"mount", ENODEV}});
    why = refusal_where_mounted(small);
  });
  BOOST_TEST(why.find("unavailable: ") == 0U);
  BOOST_TEST(contains(why, "this kernel has no xfs, or may not load it: load the module \"xfs\""));
  BOOST_TEST(!fs::exists(files.made));
  BOOST_TEST(loops_on(disk.path).empty());
}

BOOST_AUTO_TEST_CASE(a_process_that_makes_an_image_and_does_not_get_on_is_named) {
  write_text(files.made, "");
  sys::Fd other(open(files.made.c_str(), O_RDWR | O_CLOEXEC));
  BOOST_REQUIRE(flock(other.get(), LOCK_EX) == 0);
  BOOST_TEST(contains(refusal({.size = kGiB, .patience = 50ms}),
                      "another process is making " + files.made.string()));
  BOOST_TEST(fs::exists(files.made));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
