// SPDX-License-Identifier: Apache-2.0
#include "image/image_size.hpp"

#include "image_fixture.hpp"
#include "kit/command.hpp"

#include <sys/statvfs.h>

namespace snapclone::test {
namespace {

using image::ImageSettings;
using image::wanted_size;

constexpr std::uint64_t kLog = 64 * kMiB;

struct Sizes : OnExt4 {
  // Of the file system, as it is now.
  std::uint64_t size() const {
    struct statvfs inside {};
    BOOST_REQUIRE(statvfs(pool.c_str(), &inside) == 0);
    return inside.f_blocks * inside.f_frsize + kLog;
  }
  std::uint64_t file_size() const { return fs::file_size(files.image); }

  void is_clean() {
    unmount();
    run("xfs_repair -n " + files.image.string());
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(image_sizes, Sizes, *boost::unit_test::precondition(can_make("ext4")))

BOOST_AUTO_TEST_CASE(without_a_size_an_image_is_as_large_as_its_host_within_bounds) {
  BOOST_TEST(wanted_size({}, 10 * kGiB) == 64 * kGiB);
  BOOST_TEST(wanted_size({}, 500 * kGiB) == 500 * kGiB);
  BOOST_TEST(wanted_size({}, 500 * kGiB + 4097) == 500 * kGiB + 4096);
  BOOST_TEST(wanted_size({}, 40000 * kGiB) == 16383 * kGiB);
}

BOOST_AUTO_TEST_CASE(a_size_is_what_an_image_has_whatever_the_host_has) {
  BOOST_TEST(wanted_size({.size = 50 * kGiB}, 10 * kGiB) == 50 * kGiB);
  BOOST_TEST(wanted_size({.size = 50 * kGiB + 1}, 500 * kGiB) == 50 * kGiB);
}

BOOST_AUTO_TEST_CASE(an_image_cannot_become_smaller) {
  mount({.size = 3 * kGiB / 2});
  unmount();
  BOOST_TEST(contains(refusal(), "IMAGE cannot be 1 GiB, because " + files.image.string() +
                                     " has 1.5 GiB already, and xfs cannot shrink. Set IMAGE=on, "
                                     "or that size or more"));
  BOOST_TEST(file_size() == 3 * kGiB / 2);
}

BOOST_AUTO_TEST_CASE(a_larger_size_is_taken_at_the_next_start) {
  mount();
  write_text(pool / "file", "kept");
  unmount();
  mount({.size = 5 * kGiB});
  BOOST_TEST(size() == 5 * kGiB);
  BOOST_TEST(file_size() == 5 * kGiB);
  BOOST_TEST(read_text(pool / "file") == "kept");
  is_clean();
}

BOOST_AUTO_TEST_CASE(an_image_grows_while_it_is_mounted) {
  mount();
  sys::Fd container = sys::open_dir(pool);
  mount({.size = 5 * kGiB});
  BOOST_TEST(size() == 5 * kGiB);
  container = sys::Fd();
  is_clean();
}

BOOST_AUTO_TEST_CASE(an_image_with_a_size_follows_the_host_once_that_is_asked_for) {
  mount();
  mount({});
  BOOST_TEST(size() == 64 * kGiB);
}

BOOST_AUTO_TEST_CASE(growing_that_was_cut_off_after_the_file_grew_is_ended_by_the_next_start) {
  ImageSettings const larger{.size = 3 * kGiB};
  mount();
  fs::resize_file(files.image, 3 * kGiB);
  mount(larger);
  BOOST_TEST(size() == 3 * kGiB);
  is_clean();
}

BOOST_AUTO_TEST_CASE(growing_that_was_cut_off_after_the_device_grew_is_ended_by_the_next_start) {
  for (bool rebooted : {false, true}) {
    mount();
    fs::resize_file(files.image, 3 * kGiB);
    run("losetup --set-capacity " + loops_with(files.image).front());
    if (rebooted) unmount();
    mount({.size = 3 * kGiB});
    BOOST_TEST(size() == 3 * kGiB);
    is_clean();
    fs::remove(files.image);
  }
}

BOOST_AUTO_TEST_CASE(growing_never_makes_the_file_shorter) {
  mount();
  fs::resize_file(files.image, 100 * kGiB);
  mount({});
  BOOST_TEST(size() == 64 * kGiB);
  BOOST_TEST(file_size() == 100 * kGiB);
}

BOOST_AUTO_TEST_CASE(an_image_that_cannot_grow_is_used_as_it_is) {
  mount();
  write_text(pool / "file", "kept");
  fill_host();
  std::string said = warnings_of([&] { mount({.size = 3 * kGiB}); });
  BOOST_TEST(contains(said, "cannot enlarge " + files.image.string() + ": No space left on device" +
                                "; it stays as large as it is (1 GiB) until the next start"));
  BOOST_TEST(!contains(said, "thrown"));
  BOOST_TEST(size() == kGiB);
  free_host();
  mount({.size = 3 * kGiB});
  BOOST_TEST(size() == 3 * kGiB);
}

BOOST_AUTO_TEST_CASE(a_difference_that_is_not_worth_it_is_no_growth) {
  mount();
  mount({.size = kGiB + 32 * kMiB});
  BOOST_TEST(size() == kGiB);
  mount({.size = kGiB - 32 * kMiB});  // neither is it smaller
  BOOST_TEST(size() == kGiB);
}

BOOST_AUTO_TEST_CASE(a_reserved_image_takes_all_its_space_at_once) {
  BOOST_TEST(mount({.size = kGiB, .reserved = true}).reserved);
  BOOST_TEST(taken_by(files.image) >= kGiB);
}

BOOST_AUTO_TEST_CASE(a_reserved_image_has_its_space_also_where_it_has_just_grown) {
  mount();
  BOOST_TEST(mount({.size = kGiB + 50 * kMiB, .reserved = true}).reserved);
  BOOST_TEST(size() == kGiB + 50 * kMiB);
  BOOST_TEST(taken_by(files.image) >= kGiB + 50 * kMiB);
}

BOOST_AUTO_TEST_CASE(an_image_that_there_is_no_room_for_is_sparse_and_says_so) {
  std::string said =
      warnings_of([&] { BOOST_TEST(!mount({.size = 8 * kGiB, .reserved = true}).reserved); });
  BOOST_TEST(contains(said, "IMAGE_RESERVE=on cannot be had: " + files.image.string() +
                                " needs 7.9 GiB more, and the host's disk has "));
  BOOST_TEST(contains(said, "It takes its space when it needs it"));
  BOOST_TEST(taken_by(files.image) < 70 * kMiB);
  write_text(pool / "file", "kept");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
