// SPDX-License-Identifier: Apache-2.0
#include "kit/world.hpp"
#include "sys/cancelled.hpp"
#include "tree/attributes.hpp"
#include "tree/remove_tree.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

struct Tree : Disk {
  fs::path root = path / "tree";
  Tree() { fs::create_directory(root); }
  void remove() const { tree::remove_tree(root); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(trees, Tree)

BOOST_AUTO_TEST_CASE(a_tree_of_everything_is_removed) {
  fs::create_directories(root / "a" / "b");
  World::write(root / "a" / "file", "x");
  fs::create_symlink("/etc", root / "a" / "link");
  mkfifo((root / "fifo").c_str(), 0600);
  mknod((root / "null").c_str(), S_IFCHR | 0666, makedev(1, 3));
  World::write(root / std::string("\xff\n \"\\"), "odd");
  remove();
  BOOST_TEST(!fs::exists(root));
}

BOOST_AUTO_TEST_CASE(a_removal_that_is_cancelled_ends_before_the_next_entry) {
  fs::create_directories(root / "only" / "inner");
  std::stop_source stop;
  auto stop_now = [&](int, std::string const&) {
    stop.request_stop();
    return false;
  };
  BOOST_CHECK_THROW(tree::remove_tree(root, stop.get_token(), stop_now), sys::Cancelled);
  BOOST_TEST(fs::exists(root / "only" / "inner"));
  remove();
  BOOST_TEST(!fs::exists(root));
}

BOOST_AUTO_TEST_CASE(what_a_link_points_to_is_left_alone) {
  fs::create_directory(path / "outside");
  World::write(path / "outside" / "file", "keep");
  fs::create_symlink(path / "outside", root / "link");
  remove();
  BOOST_TEST(World::read(path / "outside" / "file") == "keep");
}

BOOST_AUTO_TEST_CASE(a_mount_in_the_way_stops_the_removal_and_is_not_entered) {
  fs::path mounted = root / "inner" / "mounted";
  fs::create_directories(mounted);
  sys::mount_tmpfs(mounted, "");
  World::write(mounted / "file", "keep");
  BOOST_CHECK_THROW(remove(), sys::Error);
  BOOST_TEST(World::read(mounted / "file") == "keep");
  sys::unmount(mounted);
  BOOST_CHECK_NO_THROW(remove());
}

BOOST_AUTO_TEST_CASE(a_bind_mount_of_the_same_file_system_is_not_entered_either) {
  fs::create_directories(root / "bound");
  fs::create_directory(path / "outside");
  World::write(path / "outside" / "file", "keep");
  BOOST_REQUIRE(::mount((path / "outside").c_str(), (root / "bound").c_str(), "", MS_BIND, "") ==
                0);
  BOOST_CHECK_THROW(remove(), sys::Error);
  BOOST_TEST(World::read(path / "outside" / "file") == "keep");
  sys::unmount(root / "bound");
}

BOOST_AUTO_TEST_CASE(a_tree_deeper_than_there_are_descriptors_is_removed) {
  sys::Fd here = sys::open_dir(root);
  for (int depth = 0; depth < 3000; ++depth) {
    BOOST_REQUIRE(mkdirat(here.get(), "d", 0700) == 0);
    here = sys::Fd(openat(here.get(), "d", O_RDONLY | O_DIRECTORY));
  }
  remove();
  BOOST_TEST(!fs::exists(root));
}

BOOST_AUTO_TEST_CASE(a_tree_that_is_one_file_is_removed) {
  fs::remove(root);
  World::write(root, "x");
  remove();
  BOOST_TEST(!fs::exists(root));
}

BOOST_AUTO_TEST_CASE(removing_what_is_not_there_is_success) {
  fs::remove(root);
  BOOST_CHECK_NO_THROW(remove());
}

BOOST_AUTO_TEST_CASE(a_root_directory_takes_over_everything_another_one_shows) {
  fs::path other = path / "other";
  fs::create_directory(other);
  BOOST_REQUIRE(chown(root.c_str(), 12, 34) == 0);
  BOOST_REQUIRE(chmod(root.c_str(), 03751) == 0);
  BOOST_REQUIRE(setxattr(root.c_str(), "trusted.mine", "v", 1, 0) == 0);
  BOOST_REQUIRE(setxattr(root.c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
  BOOST_REQUIRE(setxattr(root.c_str(), "trusted.overlay.overlay.own", "v", 1, 0) == 0);
  BOOST_REQUIRE(setxattr(other.c_str(), "trusted.stale", "v", 1, 0) == 0);
  timespec const times[] = {{1, 2}, {1'000'000'000, 123'456'789}};
  BOOST_REQUIRE(utimensat(AT_FDCWD, root.c_str(), times, 0) == 0);

  tree::write_attributes(other, tree::read_attributes(root));
  tree::DirectoryAttributes shown = tree::read_attributes(other);
  BOOST_TEST((shown == tree::read_attributes(root)));
  BOOST_TEST(shown.mode == 03751U);
  BOOST_TEST(shown.uid == 12U);
  BOOST_TEST(shown.mtime_ns == 123'456'789);
  BOOST_TEST(shown.xattrs.size() == 2U);
  BOOST_TEST(getxattr(other.c_str(), "trusted.overlay.opaque", nullptr, 0) == -1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
