// SPDX-License-Identifier: Apache-2.0
// How the kernel takes an xfs that the plugin made.
#include "kit/requirements.hpp"
#include "sys/mount.hpp"
#include "unit/xfs_fixture.hpp"

#include <fstream>

#include <sys/stat.h>
#include <sys/statvfs.h>

namespace snapclone::test {
namespace {

// An image, mounted while the object lives.
class MountedImage {
 public:
  explicit MountedImage(fs::path image) : image_(std::move(image)), path(image_.string() + ".d") {
    fs::create_directory(path);
    run("mount -t xfs -o loop " + image_.string() + " " + path.string());
  }
  ~MountedImage() {
    sys::unmount(path);  // which frees the loop device
    fs::remove(path);
  }
  MountedImage(MountedImage const&) = delete;
  MountedImage& operator=(MountedImage const&) = delete;

  std::uint64_t size() const {
    struct statvfs status {};
    BOOST_REQUIRE(statvfs(path.c_str(), &status) == 0);
    return status.f_blocks * status.f_frsize;
  }

  void fill() const {
    for (int i = 0; i < 200; ++i) {
      fs::path directory = path / std::to_string(i % 10);
      fs::create_directories(directory);
      std::ofstream((directory / std::to_string(i)).string()) << std::string(20000, 'x') << i;
    }
  }

 private:
  fs::path const image_;

 public:
  fs::path const path;
};

std::string content(fs::path const& path) {
  std::ifstream file(path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(xfs_mounts, Images, *boost::unit_test::precondition(can_make("xfs")))

BOOST_AUTO_TEST_CASE(a_new_xfs_is_empty_and_its_root_directory_is_roots_alone) {
  MountedImage mounted(make("image", kGiB));
  BOOST_TEST(fs::is_empty(mounted.path));
  struct stat status {};
  BOOST_REQUIRE(stat(mounted.path.c_str(), &status) == 0);
  BOOST_TEST(status.st_mode == (S_IFDIR | 0700U));
  BOOST_TEST(status.st_uid == 0U);
  BOOST_TEST(status.st_gid == 0U);
}

BOOST_AUTO_TEST_CASE(an_xfs_takes_files_and_reflinks_and_is_clean_afterwards) {
  for (std::uint64_t size : {kGiB, 100 * kGiB}) {
    fs::path image = make("image", size);
    {
      MountedImage mounted(image);
      mounted.fill();
      run("cp --reflink=always " + (mounted.path / "1" / "1").string() + " " +
          (mounted.path / "copy").string());
      std::ofstream((mounted.path / "copy").string(), std::ios::app) << "more";
      BOOST_TEST(content(mounted.path / "1" / "1") == std::string(20000, 'x') + "1");
      BOOST_TEST(content(mounted.path / "copy") == std::string(20000, 'x') + "1more");
    }
    require_clean(image);
    BOOST_TEST(content(MountedImage(image).path / "copy") == std::string(20000, 'x') + "1more");
  }
}

BOOST_AUTO_TEST_CASE(an_xfs_grows_while_it_is_mounted_and_is_clean_afterwards) {
  struct {
    std::uint64_t from, to, groups;
  } const growths[] = {{kGiB, 3 * kGiB, 12}, {64 * kGiB, 200 * kGiB, 13}, {100 * kGiB, kTiB, 64}};
  for (auto const& growth : growths) {
    fs::path image = make("image", growth.from);
    image::Xfs const before = image::read_xfs(open("image").get());
    {
      MountedImage mounted(image);
      mounted.fill();
      std::uint64_t const least = mounted.size();
      fs::resize_file(image, growth.to);
      run("losetup -c $(findmnt -n -o SOURCE " + mounted.path.string() + ")");
      run("xfs_growfs " + mounted.path.string());
      BOOST_TEST(mounted.size() == least + growth.to - growth.from);
      mounted.fill();
    }
    require_clean(image);
    image::Xfs const after = image::read_xfs(open("image").get());
    BOOST_TEST(after.size == growth.to);
    BOOST_TEST((after.size + after.group_size - 1) / after.group_size == growth.groups);
    BOOST_TEST(after.group_size == before.group_size);
    BOOST_TEST(after.log_offset == before.log_offset);
    BOOST_TEST((after.uuid == before.uuid));
  }
}

BOOST_AUTO_TEST_CASE(images_with_uuids_of_their_own_are_mounted_at_once) {
  image::Uuid other = kUuid;
  other[15] = 0x78;
  MountedImage first(make("first", kGiB));
  {
    MountedImage second(make("second", kGiB, other));
    first.fill();
    second.fill();
  }
  BOOST_TEST((image::read_xfs(open("second").get()).uuid == other));
  fs::path same = make("same", kGiB);
  fs::create_directory(path / "nowhere");
  run("! mount -t xfs -o loop " + same.string() + " " + (path / "nowhere").string());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
