// SPDX-License-Identifier: Apache-2.0
#include "image/image.hpp"

#include "image_fixture.hpp"
#include "kit/command.hpp"
#include "sys/xfs_calls.hpp"

#include <map>
#include <tuple>

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

namespace snapclone::test {
namespace {

using namespace std::string_literals;

// XFS_IOC_GOINGDOWN: from now on everything fails. What the log has is on the disk.
void shut_down(fs::path const& mounted) {
  constexpr unsigned long kGoingDown = _IOR('X', 125, std::uint32_t);
  std::uint32_t flush_the_log = 1;
  sys::Fd root = sys::open_dir(mounted);
  BOOST_REQUIRE(ioctl(root.get(), kGoingDown, &flush_the_log) == 0);
}

// What a path has: a file's size and data with its places, a link's target, or a directory's names.
std::string content_of(fs::path const& path) {
  struct stat status = status_of(path);
  std::string content = std::to_string(status.st_mode) + " " + std::to_string(status.st_size);
  if (S_ISLNK(status.st_mode)) return content + fs::read_symlink(path).string();
  if (S_ISDIR(status.st_mode)) return content + std::to_string(sys::list_dir(path).size());
  sys::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  for (off_t at = 0; (at = lseek(file.get(), at, SEEK_DATA)) >= 0;) {
    off_t end = lseek(file.get(), at, SEEK_HOLE);
    std::string data(static_cast<std::size_t>(end - at), '\0');
    BOOST_REQUIRE(pread(file.get(), data.data(), data.size(), at) == end - at);
    content += " " + std::to_string(at) + ":" + data;
    at = end;
  }
  return content;
}

void overwrite(fs::path const& path, int at, std::string const& bytes) {
  std::fstream file(path.string(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at);
  file << bytes;
}

struct Images : OnExt4 {
  // An image with a file in it, which is not mounted.
  void make() {
    mount();
    write_text(pool / "file", "kept");
    unmount();
  }

  // As make(), but ended by a crash: most of what was written is only in the log.
  void make_crashed() {
    mount();
    write_text(pool / "file", "kept");
    for (int i = 0; i < 3000; ++i) fs::create_directory(pool / std::to_string(i));
    shut_down(pool);
    unmount();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(images, Images, *boost::unit_test::precondition(can_make("ext4")))

BOOST_AUTO_TEST_CASE(a_new_image_is_mounted_clean_and_as_large_as_it_was_asked_for) {
  image::MountedImage mounted = mount();
  BOOST_TEST(mounted.file == files.image);
  BOOST_TEST(mounted.is_new);
  BOOST_TEST(mounted.direct_io);
  BOOST_TEST(!mounted.reserved);
  BOOST_TEST(is_mounted());
  struct statvfs inside {};
  BOOST_REQUIRE(statvfs(pool.c_str(), &inside) == 0);
  BOOST_TEST(inside.f_blocks * inside.f_frsize == kGiB - 64 * kMiB);  // its log does not count
  BOOST_TEST((inside.f_flag & ST_NOATIME) != 0U);
  BOOST_TEST(status_of(files.image).st_size == static_cast<off_t>(kGiB));
  BOOST_TEST(taken_by(files.image) < 70 * kMiB);
  BOOST_TEST(status_of(files.image).st_mode == (S_IFREG | 0600U));
  BOOST_TEST(status_of(pool).st_mode == (S_IFDIR | 0700U));
  BOOST_TEST(!fs::exists(files.made));
  write_text(pool / "file", "kept");
  unmount();
  run("xfs_repair -n " + files.image.string());
}

BOOST_AUTO_TEST_CASE(without_a_size_it_has_at_least_64_gib_and_takes_no_more_of_the_disk) {
  mount({});
  BOOST_TEST(status_of(files.image).st_size == static_cast<off_t>(64 * kGiB));
  BOOST_TEST(taken_by(files.image) < 70 * kMiB);
}

BOOST_AUTO_TEST_CASE(the_next_start_joins_the_mount) {
  mount();
  auto number = device_number(pool);
  write_text(pool / "file", "kept");
  image::MountedImage again = mount();
  BOOST_TEST(!again.is_new);
  BOOST_TEST(device_number(pool) == number);
  BOOST_TEST(read_text(pool / "file") == "kept");
  BOOST_TEST(loops_with(files.image).size() == 1U);
  sys::unmount(pool);  // the only mount there
  BOOST_TEST(!is_mounted());
}

BOOST_AUTO_TEST_CASE(another_mount_namespace_joins_the_same_file_system) {
  mount();
  auto result = in_a_child([&] {
    if (unshare(CLONE_NEWNS) != 0) return "no namespace"s;
    sys::unmount(pool);  // here alone
    mount();
    return std::to_string(device_number(pool)) + " " +
           std::to_string(loops_with(files.image).size());
  });
  BOOST_TEST(result.text == std::to_string(device_number(pool)) + " 1");
}

BOOST_AUTO_TEST_CASE(containers_that_keep_it_mounted_are_joined_after_it_was_unmounted) {
  mount();
  sys::Fd container = sys::open_dir(pool);
  write_text(pool / "file", "kept");
  auto number = device_number(pool);
  sys::unmount(pool);
  BOOST_TEST(!is_mounted());
  fs::rename(files.image, disk.path / "moved");
  fs::rename(disk.path / "moved", files.image);
  mount();
  BOOST_TEST(device_number(pool) == number);
  BOOST_TEST(read_text(pool / "file") == "kept");
  BOOST_TEST(loops_with(files.image).size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_image_that_was_unmounted_is_mounted_again_with_all_that_is_in_it) {
  make();
  BOOST_TEST(!mount().is_new);
  BOOST_TEST(read_text(pool / "file") == "kept");
}

BOOST_AUTO_TEST_CASE(what_is_left_of_a_process_that_made_an_image_is_made_anew) {
  write_text(disk.path / "other", "nobody's");
  fs::create_hard_link(disk.path / "other", files.made);
  BOOST_TEST(mount().is_new);
  BOOST_TEST(!fs::exists(files.made));
  BOOST_TEST(read_text(disk.path / "other") == "nobody's");
}

BOOST_AUTO_TEST_CASE(an_image_that_others_may_read_becomes_roots_alone) {
  make();
  BOOST_REQUIRE(chmod(files.image.c_str(), 0644) == 0);
  mount();
  BOOST_TEST(status_of(files.image).st_mode == (S_IFREG | 0600U));
}

BOOST_AUTO_TEST_CASE(a_damaged_image_is_refused_and_not_changed) {
  std::map<std::string, std::function<void()>> const damages = {
      {"it does not begin with an xfs",
       [&] { overwrite(files.image, 0, std::string(4096, '\0')); }},
      {"it does not begin with an xfs; ",
       [&] { overwrite(files.image, 0, std::string(9000, '\x5a')); }},
      {"the checksum of its superblock is wrong",
       [&] { overwrite(files.image, 8, std::string(8, '\x5a')); }},
      {"it has 536870912 bytes, and its xfs 1073741824",
       [&] { fs::resize_file(files.image, 512 * kMiB); }},
      {"it ends within its superblock", [&] { fs::resize_file(files.image, 0); }},
      {"does not begin with an xfs", [&] { run("mkfs.btrfs -f " + files.image.string()); }},
      {"it is no regular file",
       [&] {
         fs::rename(files.image, disk.path / "moved");
         fs::create_symlink("moved", files.image);
       }},
      {"it is no regular file. Put the image itself there", [&] {
         fs::remove(files.image);
         fs::create_directory(files.image);
       }}};
  for (auto const& [why, damage] : damages) {
    make();
    damage();
    std::string before = content_of(files.image);
    std::string refused = refusal();
    BOOST_TEST(contains(
        refused, "the image " + files.image.string() + " holds the volumes and cannot be used: "));
    BOOST_TEST(contains(refused, why), refused << " instead of " << why);
    BOOST_TEST((content_of(files.image) == before), why);
    BOOST_TEST(!fs::exists(files.made));
    fs::remove_all(files.image);
  }
}

BOOST_AUTO_TEST_CASE(another_file_system_on_the_pools_directory_is_not_covered) {
  make();
  sys::mount_tmpfs(pool, "size=1m");
  std::string refused = refusal_where_mounted(small);
  BOOST_TEST(contains(refused, "another file system is mounted on " + pool.string() +
                                   ": unmount it, the image " + files.image.string() +
                                   " belongs there"));
  sys::unmount(pool);
  BOOST_TEST(!is_mounted());
}

BOOST_AUTO_TEST_CASE(a_copy_that_is_mounted_is_named_as_the_reason) {
  make();
  image::ImageFiles other(disk.path / "other");
  run("cp --sparse=always " + files.image.string() + " " + other.image.string());
  image::mount_image(disk.path / "other", small);
  std::string refused = refusal_where_mounted(small);
  BOOST_TEST(contains(refused, "If it says \"duplicate UUID\", a copy of this image is mounted"));
  BOOST_TEST(!is_mounted());
  BOOST_TEST(eventually([&] { return loops_with(files.image).empty(); }));
  sys::unmount(disk.path / "other");
}

BOOST_AUTO_TEST_CASE(a_file_system_that_has_stopped_is_noticed_while_containers_keep_it) {
  mount();
  write_text(pool / "file", "kept");
  {
    sys::Fd container = sys::open_dir(pool);
    shut_down(pool);
    std::string refused = refusal_where_mounted(small);
    BOOST_TEST(contains(refused, "Stop the containers that use its volumes, then enable"));
    sys::unmount(pool);
    refused = refusal_where_mounted(small);
    BOOST_TEST(contains(refused, "Stop the containers that use its volumes, then enable"));
  }
  unmount();
  mount();
  BOOST_TEST(read_text(pool / "file") == "kept");
}

BOOST_AUTO_TEST_CASE(the_log_has_its_space_again_after_a_copy_made_holes) {
  make();
  fs::path copy = disk.path / "copy";
  run("cp --sparse=always " + files.image.string() + " " + copy.string());
  fs::rename(copy, files.image);
  BOOST_TEST(taken_by(files.image) < 32 * kMiB);
  mount();
  BOOST_TEST(taken_by(files.image) >= 64 * kMiB);
}

BOOST_AUTO_TEST_CASE(a_start_after_a_crash_works_on_a_full_disk_with_the_reserve) {
  make_crashed();
  BOOST_TEST(taken_by(files.reserve) >= 64 * kMiB);
  fill_host();
  BOOST_TEST(contains(warnings_of([&] { mount(); }),
                      "the host's disk is full: using " + files.reserve.string()));
  BOOST_TEST(!fs::exists(files.reserve));
  BOOST_TEST(read_text(pool / "file") == "kept");
  BOOST_TEST(fs::exists(pool / "2999"));
  free_host();
  mount();
  BOOST_TEST(taken_by(files.reserve) >= 64 * kMiB);
}

BOOST_AUTO_TEST_CASE(a_start_after_a_crash_on_a_full_disk_without_the_reserve_says_what_to_do) {
  make_crashed();
  fs::remove(files.reserve);
  fill_host();
  BOOST_TEST(contains(refusal(), "the host's disk is full: free some space on it"));
  free_host();
  mount();
  BOOST_TEST(fs::exists(pool / "2999"));
}

BOOST_AUTO_TEST_CASE(the_last_space_of_a_disk_is_not_taken_for_the_reserve) {
  make();
  fs::remove(files.reserve);
  fill_host();
  fs::resize_file(disk.path / "filler", fs::file_size(disk.path / "filler") - 160 * kMiB);
  BOOST_TEST(contains(warnings_of([&] { mount(); }),
                      "if the host's disk becomes full, the next start may fail"));
  BOOST_TEST(!fs::exists(files.reserve));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
