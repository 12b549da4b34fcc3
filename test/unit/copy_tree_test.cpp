// SPDX-License-Identifier: Apache-2.0
#include "copy_fixture.hpp"
#include "kit/plant.hpp"
#include "kit/requirements.hpp"

#include <cstring>

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

namespace snapclone::test {
namespace {

namespace utf = boost::unit_test;
using namespace std::string_literals;

void everything_is_copied(std::string const& type) {
  Copying tree(type);
  plant_everything(tree.from);
  Manifest before = manifest(tree.from);
  for (unsigned threads : {1U, 2U, 8U}) {
    tree.copy({.threads = threads});
    BOOST_TEST(test::differences(before, manifest(tree.to)) == "");
  }
  BOOST_TEST(test::differences(before, manifest(tree.from)) == "");
}

// 3,000 levels, and at the end of them another name of a file at the beginning. Beside them, behind
// a path that the kernel does not take at once, more directories than wait with a descriptor.
void plant_deep_tree(fs::path const& root) {
  sys::Fd top = sys::open_dir(root);
  make_file(top.get(), "first name", "x");
  sys::Fd here = make_and_open(top.get(), "d");
  for (int depth = 1; depth < 3000; ++depth) {
    BOOST_REQUIRE(fchmod(here.get(), 0700 + depth % 64) == 0);
    here = make_and_open(here.get(), "d");
  }
  BOOST_REQUIRE(linkat(top.get(), "first name", here.get(), "last name", 0) == 0);
  here = make_and_open(top.get(), "wide");
  for (int depth = 0; depth < 20; ++depth) here = make_and_open(here.get(), std::string(255, 'w'));
  for (int number = 0; number < 300; ++number) {
    sys::Fd inner = make_and_open(here.get(), std::to_string(number));
    make_file(inner.get(), "file", std::to_string(number));
    BOOST_REQUIRE(
        linkat(inner.get(), "file", here.get(), ("to " + std::to_string(number)).c_str(), 0) == 0);
  }
}

sys::Fd descend(sys::Fd at, std::string const& name, int levels) {
  for (int level = 0; level < levels; ++level) {
    at = sys::Fd(openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    BOOST_REQUIRE(at.get() >= 0);
  }
  return at;
}

struct stat status_of(int directory, std::string const& name) {
  struct stat status {};
  BOOST_REQUIRE(fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0);
  return status;
}

bool shares_its_blocks(fs::path const& path) {
  sys::Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<char> memory(sizeof(fiemap) + sizeof(fiemap_extent));
  auto* map = reinterpret_cast<fiemap*>(memory.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = 1;
  BOOST_REQUIRE(ioctl(fd.get(), FS_IOC_FIEMAP, map) == 0);
  BOOST_REQUIRE(map->fm_mapped_extents == 1U);
  return (map->fm_extents[0].fe_flags & FIEMAP_EXTENT_SHARED) != 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(copy_tree)

BOOST_AUTO_TEST_CASE(a_copy_shows_everything_that_the_tree_shows_on_tmpfs) {
  everything_is_copied("tmpfs");
}

BOOST_AUTO_TEST_CASE(a_copy_shows_everything_that_the_tree_shows_on_ext4,
                     *utf::precondition(can_make("ext4"))) {
  everything_is_copied("ext4");
}

BOOST_AUTO_TEST_CASE(a_copy_shows_everything_that_the_tree_shows_on_xfs,
                     *utf::precondition(can_make("xfs"))) {
  everything_is_copied("xfs");
}

BOOST_AUTO_TEST_CASE(a_copy_shows_everything_that_the_tree_shows_on_btrfs,
                     *utf::precondition(can_make("btrfs"))) {
  everything_is_copied("btrfs");
}

BOOST_AUTO_TEST_CASE(a_copy_on_another_file_system_shows_everything_too,
                     *utf::precondition(can_make("ext4"))) {
  Copying tree;
  Media other("ext4");
  plant_everything(tree.from);
  tree.to = other.path / "to";
  fs::create_directory(tree.to);
  tree::copy_tree(tree.from, tree.to);
  BOOST_TEST(tree.differences() == "");
}

BOOST_AUTO_TEST_CASE(content_is_shared_on_xfs, *utf::precondition(can_make("xfs"))) {
  Copying tree("xfs");
  write_at(tree.from / "file", 0, 1 << 20);
  tree.copy();
  BOOST_TEST(shares_its_blocks(tree.to / "file"));
}

BOOST_AUTO_TEST_CASE(a_btrfs_file_without_copy_on_write_is_copied_and_the_next_one_still_shared,
                     *utf::precondition(can_make("btrfs"))) {
  Copying tree("btrfs");
  World::write(tree.from / "plain", "");
  sys::Fd fd(open((tree.from / "plain").c_str(), O_RDONLY | O_CLOEXEC));
  int flags = FS_NOCOW_FL;
  BOOST_REQUIRE(ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) == 0);
  write_at(tree.from / "plain", 0, 1 << 20);
  fs::create_directory(tree.from / "later");
  write_at(tree.from / "later" / "file", 0, 1 << 20);
  tree.copy();
  BOOST_TEST(tree.differences() == "");
  BOOST_TEST(!shares_its_blocks(tree.to / "plain"));
  BOOST_TEST(shares_its_blocks(tree.to / "later" / "file"));
}

BOOST_AUTO_TEST_CASE(a_tree_deeper_and_wider_than_there_are_descriptors_is_copied) {
  Copying tree;
  plant_deep_tree(tree.from);
  {
    Descriptors few(256);
    tree.copy();
  }
  sys::Fd from = sys::open_dir(tree.from);
  sys::Fd to = sys::open_dir(tree.to);
  struct stat first = status_of(to.get(), "first name");
  for (int depth = 0; depth < 3000; ++depth) {
    from = descend(std::move(from), "d", 1);
    to = descend(std::move(to), "d", 1);
    struct stat one = status_of(from.get(), ".");
    struct stat other = status_of(to.get(), ".");
    BOOST_REQUIRE(one.st_mode == other.st_mode);
    BOOST_REQUIRE(shown_time(one.st_mtim) == shown_time(other.st_mtim));
  }
  BOOST_TEST(status_of(to.get(), "last name").st_ino == first.st_ino);

  to = descend(descend(sys::open_dir(tree.to), "wide", 1), std::string(255, 'w'), 20);
  for (int number = 0; number < 300; ++number) {
    std::string name = std::to_string(number);
    struct stat one = status_of(descend(sys::Fd(dup(to.get())), name, 1).get(), "file");
    BOOST_TEST(one.st_size == static_cast<off_t>(name.size()));
    BOOST_TEST(status_of(to.get(), "to " + name).st_ino == one.st_ino);
  }
}

BOOST_AUTO_TEST_CASE(a_directory_of_fifty_thousand_files_is_copied) {
  Copying tree;
  sys::Fd fd = sys::open_dir(tree.from);
  for (int number = 0; number < 50'000; ++number) make_file(fd.get(), std::to_string(number), "");
  Descriptors few(256);
  tree.copy();
  BOOST_TEST(World::entries(tree.to) == 50'000U);
}

BOOST_AUTO_TEST_CASE(what_the_target_showed_of_itself_is_replaced_and_not_inherited) {
  Copying tree;
  fs::create_directory(tree.from / "inner");
  World::write(tree.from / "inner" / "file", "x");
  fs::path to = tree.media.path / "to";
  fs::create_directory(to);
  mark(to, "system.posix_acl_default", acl(7, 7, 7, 7, 7));
  mark(to, "trusted.stale", "v");
  tree::copy_tree(tree.from, to);
  BOOST_TEST(test::differences(manifest(tree.from), manifest(to)) == "");
}

BOOST_AUTO_TEST_CASE(immutable_and_append_only_files_are_reported_and_can_be_written_in_the_copy,
                     *utf::precondition(can_make("ext4"))) {
  Copying tree("ext4");
  auto flip = [&](std::string const& name, int flag) {
    sys::Fd fd(open((tree.from / name).c_str(), O_RDONLY | O_CLOEXEC));
    int flags = 0;
    BOOST_REQUIRE(ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) == 0);
    flags ^= flag;
    BOOST_REQUIRE(ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) == 0);
  };
  auto flag_of = [](int number) { return number % 2 == 0 ? FS_IMMUTABLE_FL : FS_APPEND_FL; };
  for (int number = 0; number < 30; ++number) {
    World::write(tree.from / std::to_string(number), "x");
    flip(std::to_string(number), flag_of(number));
  }
  fs::create_directories(tree.from / "a" / "b");
  tree::CopyReport report = tree.copy();
  BOOST_TEST(report.flags_lost_count == 30U);
  BOOST_TEST(report.flags_lost.size() == 20U);
  BOOST_TEST(tree.differences() == "");
  fs::remove_all(tree.to);

  for (int number = 0; number < 30; ++number) flip(std::to_string(number), flag_of(number));
  flip("a/b", FS_IMMUTABLE_FL);
  BOOST_TEST(tree.copy().flags_lost == Lines{"a/b"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
