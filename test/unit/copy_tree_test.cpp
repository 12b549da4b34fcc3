// SPDX-License-Identifier: Apache-2.0
#include "copy_fixture.hpp"

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

void mark(fs::path const& path, std::string const& name, std::string const& value) {
  if (lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return;
  // tmpfs has user.* since Linux 6.6.
  bool expected = errno == EOPNOTSUPP && name.rfind("user.", 0) == 0;
  if (!expected) sys::fail("set the extended attribute " + name + " of", path.string());
}

// As setfacl(1) writes it: the owner, user 1000, the group, the mask, the others.
std::string acl(char owner, char user, char group, char mask, char others) {
  std::string none = "\xff\xff\xff\xff"s;
  return "\2\0\0\0"s + "\1\0"s + owner + "\0"s + none + "\2\0"s + user + "\0"s + "\xe8\3\0\0"s +
         "\4\0"s + group + "\0"s + none + "\x10\0"s + mask + "\0"s + none + "\x20\0"s + others +
         "\0"s + none;
}

void write_at(fs::path const& path, off_t at, std::size_t size) {
  sys::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  std::string data(size, 'x');
  BOOST_REQUIRE(pwrite(fd.get(), data.data(), size, at) == static_cast<ssize_t>(size));
}

void plant_sparse_files(fs::path const& root) {
  fs::create_directory(root / "sparse");
  for (off_t at : {0, 1 << 20, 8 << 20}) write_at(root / "sparse" / "ends in a hole", at, 65536);
  fs::resize_file(root / "sparse" / "ends in a hole", 64 << 20);
  write_at(root / "sparse" / "begins with a hole", (4 << 20) - 5, 10);
  World::write(root / "sparse" / "is a hole", "");
  fs::resize_file(root / "sparse" / "is a hole", (1 << 20) + 1);
  World::write(root / "empty", "");
  write_at(root / "large", 0, (20 << 20) + 3);
}

void plant_odd_names(fs::path const& root) {
  fs::create_directory(root / "names");
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    World::write(root / "names" / ("x"s + static_cast<char>(byte)), std::to_string(byte));
  }
  World::write(root / "names" / std::string(255, 'n'), "long");
  fs::create_directories(root / "names" / std::string(255, 'd') / "empty");
}

void plant_special_files(fs::path const& root) {
  fs::create_directory(root / "special");
  BOOST_REQUIRE(mkfifo((root / "special" / "fifo").c_str(), 0620) == 0);
  BOOST_REQUIRE(mknod((root / "special" / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0);
  BOOST_REQUIRE(mknod((root / "special" / "disk").c_str(), S_IFBLK | 0660, makedev(259, 70000)) ==
                0);
  BOOST_REQUIRE(mknod((root / "special" / "whiteout").c_str(), S_IFCHR, makedev(0, 0)) == 0);
  BOOST_REQUIRE(mknod((root / "special" / "socket").c_str(), S_IFSOCK | 0755, 0) == 0);
  fs::create_symlink("nowhere", root / "special" / "dangling");
  fs::create_symlink("/etc/passwd", root / "special" / "absolute");
  fs::create_symlink("../..", root / "special" / "upwards");
  fs::create_symlink(std::string(1000, 'l'), root / "special" / "long");
  mark(root / "special" / "fifo", "trusted.mine", "of a fifo");
  mark(root / "special" / "dangling", "trusted.mine", "of a link");
  BOOST_REQUIRE(lchown((root / "special" / "dangling").c_str(), 5, 6) == 0);
  BOOST_REQUIRE(lchown((root / "special" / "socket").c_str(), 7, 8) == 0);
}

void plant_hard_links(fs::path const& root) {
  fs::create_directories(root / "a" / "b");
  for (auto const* name : {"fifo", "whiteout", "dangling"}) {
    fs::create_hard_link(root / "special" / name, root / "a" / (name + " again"s));
  }
  for (auto const* name : {"a/one", "a/b/two", "three"}) {
    fs::create_hard_link(root / "large", root / name);
  }
}

void plant_attributes(fs::path const& root) {
  fs::create_directories(root / "marked" / "inner");
  World::write(root / "marked" / "program", "#!");
  World::write(root / "marked" / "inherits no ACL", "");
  BOOST_REQUIRE(chown((root / "marked" / "program").c_str(), 1000, 1001) == 0);
  BOOST_REQUIRE(chmod((root / "marked" / "program").c_str(), 06755) == 0);
  BOOST_REQUIRE(chmod((root / "marked" / "inner").c_str(), 03070) == 0);
  mark(root / "marked" / "program", "security.capability",
       "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s);
  mark(root / "marked" / "program", "user.odd name \xff", "\0\xff\n"s);
  mark(root / "marked" / "program", "trusted.empty", "");
  mark(root / "marked" / "program", "trusted.large", std::string(2000, 'v'));
  mark(root / "marked" / "program", "system.posix_acl_access", acl(7, 4, 5, 5, 0));
  mark(root / "marked" / "inner", "trusted.overlay.opaque", "y");
  mark(root / "marked" / "inner", "trusted.overlay.redirect", "/somewhere");
  mark(root / "marked", "system.posix_acl_default", acl(7, 7, 5, 7, 0));
  mark(root / "marked", "user.mine", "of a directory");
  World::write(root / "nobody may read it", "secret");
  BOOST_REQUIRE(chmod((root / "nobody may read it").c_str(), 0) == 0);
  mark(root, "trusted.root", "shown");
  BOOST_REQUIRE(chown(root.c_str(), 12, 34) == 0);
  BOOST_REQUIRE(chmod(root.c_str(), 02751) == 0);
}

// Every entry has times of its own; some of them are before 1970.
void plant_times(fs::path const& root) {
  std::vector<fs::path> paths{root};
  for (auto const& entry : fs::recursive_directory_iterator(root)) paths.push_back(entry.path());
  time_t second = -3;
  for (auto const& path : paths) {
    timespec const times[] = {{second * 1000, 999'999'999}, {second * 1001, 123'456'789}};
    BOOST_REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
    ++second;
  }
}

void plant_everything(fs::path const& root) {
  plant_sparse_files(root);
  plant_odd_names(root);
  plant_special_files(root);
  plant_hard_links(root);
  plant_attributes(root);
  plant_times(root);
}

void everything_is_copied(std::string const& type) {
  Copying tree(type);
  plant_everything(tree.from);
  Manifest before = manifest(tree.from);
  for (unsigned threads : {1U, 2U, 8U}) {
    tree.copy({.threads = threads, .cancelled = {}});
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
  clone::copy_tree(tree.from, tree.to);
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
  clone::copy_tree(tree.from, to);
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
  clone::CopyReport report = tree.copy();
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
