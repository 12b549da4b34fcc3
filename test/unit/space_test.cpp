// SPDX-License-Identifier: Apache-2.0
#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"
#include "space_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/file.h>

namespace snapclone::test {

BOOST_AUTO_TEST_SUITE(space, *boost::unit_test::precondition(can_make("xfs")))

BOOST_FIXTURE_TEST_CASE(the_pool_offers_no_more_than_the_host_has_above_its_margin, Mounted) {
  BOOST_TEST(free_on(pool) > free_on(disk.path));
  std::uint64_t before = free_on(disk.path);
  Space space(image, pool, false, Space::Looks::by_hand);
  std::uint64_t most = before - image::margin(kHostSize * kMega * 9 / 10);
  BOOST_TEST(free_on(pool) <= most);
  wait_for_room(space, most - 64 * kMega);
  auto report = space.report();
  BOOST_TEST(report.offered == free_on(pool));
  BOOST_TEST(report.size == kXfsSize);
  BOOST_TEST(report.on_host == image_takes());
  BOOST_TEST(report.last_trim == "");
  BOOST_TEST(space.no_room() == "");
}

BOOST_FIXTURE_TEST_CASE(it_follows_the_host_in_both_directions, Mounted) {
  Space space(image, pool, false);
  wait_for_room(space, 500 * kMega);
  leave(300 * kMega);
  BOOST_TEST(eventually([&] { return free_on(pool) < 300 * kMega; }));
  fs::remove(disk.path / "taken");
  BOOST_TEST(eventually([&] { return free_on(pool) > 500 * kMega; }));
}

BOOST_FIXTURE_TEST_CASE(an_xfs_that_was_bounded_by_an_earlier_process_is_bounded_anew, Mounted) {
  leave(200 * kMega);
  { Space earlier(image, pool, false, Space::Looks::by_hand); }
  fs::remove(disk.path / "taken");
  Space space(image, pool, false, Space::Looks::by_hand);
  wait_for_room(space, 500 * kMega);
}

BOOST_FIXTURE_TEST_CASE(where_nothing_is_offered_a_sentence_names_the_ways_out, Mounted) {
  Space space(image, pool, false, Space::Looks::by_hand);
  leave(10 * kMega);
  space.round();
  BOOST_TEST(space.report().offered == 0U);
  std::string sentence = space.no_room();
  BOOST_TEST(sentence.find(image.string()) != std::string::npos, sentence);
  BOOST_TEST(
      sentence.find("The file system of " + disk.path.string() + " has ") != std::string::npos,
      sentence);
  BOOST_TEST(sentence.find("remove volumes or snapshots") != std::string::npos, sentence);
  fs::remove(disk.path / "taken");
  wait_for_room(space, 100 * kMega);
  BOOST_TEST(space.no_room() == "");
}

BOOST_FIXTURE_TEST_CASE(deleted_space_comes_back_on_the_host_without_anyone_asking, Mounted) {
  Space space(image, pool, false);
  wait_for_room(space, 500 * kMega);
  std::uint64_t before = image_takes();
  fill(pool / "file", true, 200 * kMega);
  BOOST_TEST(image_takes() > before + 190 * kMega);
  fs::remove(pool / "file");
  BOOST_TEST(eventually([&] { return image_takes() < before + 10 * kMega; }));
  BOOST_TEST(eventually([&] { return space.report().last_trim != ""; }));
}

BOOST_FIXTURE_TEST_CASE(a_stop_ends_a_trim_soon_and_it_does_not_count, Mounted) {
  Space space(image, pool, false, Space::Looks::by_hand);
  std::stop_source source;
  source.request_stop();
  space.trim(source.get_token());
  BOOST_TEST(space.report().last_trim == "");
  space.trim();
  BOOST_TEST(space.report().last_trim != "");
}

BOOST_AUTO_TEST_CASE(a_reserved_image_that_somebody_trims_is_bounded_from_then_on) {
  Host host(1536, 1024 * kMega);
  {
    sys::Fd file = open_file(host.image, O_RDWR);
    BOOST_REQUIRE(fallocate(file.get(), 0, 0, 1024 * kMega) == 0);
  }
  host.mount(true);
  Space space(host.image, host.pool, true, Space::Looks::by_hand);
  BOOST_TEST(free_on(host.pool) > 800 * kMega);
  BOOST_TEST(image::BoundedXfs(host.image, host.pool).trim(0, kXfsSize));
  BOOST_TEST(sys::sync_filesystem(sys::open_dir(host.disk.path).get()) == 0);  // then it is free
  host.leave(0);
  space.round();
  BOOST_TEST(free_on(host.pool) == 0U);
}

BOOST_AUTO_TEST_CASE(a_reserved_image_is_neither_bounded_nor_trimmed) {
  Host host(1536, 1024 * kMega);
  {
    sys::Fd file = open_file(host.image, O_RDWR);
    BOOST_REQUIRE(fallocate(file.get(), 0, 0, 1024 * kMega) == 0);
  }
  host.mount(true);
  host.leave(0);
  { Space earlier(host.image, host.pool, false, Space::Looks::by_hand); }
  BOOST_TEST(free_on(host.pool) == 0U);
  Space space(host.image, host.pool, true, Space::Looks::by_hand);
  BOOST_TEST(free_on(host.pool) > 800 * kMega);
  BOOST_TEST(space.no_room() == "");
  fill(host.pool / "file", true, 200 * kMega);
  fs::remove(host.pool / "file");
  space.trim();
  space.round();
  BOOST_TEST(space.report().last_trim == "");
  BOOST_TEST(host.image_takes() >= 1024 * kMega);
  BOOST_TEST(fill(host.pool / "file", false).error == ENOSPC);
  space.round();
  BOOST_TEST(space.no_room().find("set IMAGE to a larger size") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_look_that_fails_offers_nothing_until_one_works, Mounted,
                        *boost::unit_test::precondition(kernel_takes_filters)) {
  Space space(image, pool, false, Space::Looks::by_hand);
  wait_for_room(space, 500 * kMega);
  in_a_thread([&] {
    fail_calls({{"openat", EACCES}});
    space.round();
  });
  BOOST_TEST(free_on(pool) == 0U);
  BOOST_TEST(space.report().offered == 0U);
  BOOST_TEST(space.no_room().find("/proc/meminfo: Permission denied") != std::string::npos);
  wait_for_room(space, 500 * kMega);
  BOOST_TEST(space.no_room() == "");
}

BOOST_FIXTURE_TEST_CASE(a_bound_that_cannot_be_changed_stays, Mounted,
                        *boost::unit_test::precondition(kernel_takes_filters)) {
  Space space(image, pool, false, Space::Looks::by_hand);
  leave(300 * kMega);
  space.round();
  std::uint64_t offered = free_on(pool);
  BOOST_TEST(offered < 300 * kMega);
  fs::remove(disk.path / "taken");
  in_a_thread([&] {
    fail_calls({{"ioctl", EPERM}});
    space.round();
  });
  BOOST_TEST(free_on(pool) == offered);
  BOOST_TEST(space.no_room().find("Operation not permitted") != std::string::npos);
  wait_for_room(space, 500 * kMega);
  BOOST_TEST(space.no_room() == "");
}

BOOST_FIXTURE_TEST_CASE(where_the_xfs_cannot_be_bounded_there_is_no_space, Mounted,
                        *boost::unit_test::precondition(kernel_takes_filters)) {
  std::string sentence;
  in_a_thread([&] {
    fail_calls({{"ioctl", EPERM}});
    try {
      Space space(image, pool, false);
    } catch (sys::Error const& error) {
      sentence = error.what();
    }
  });
  BOOST_TEST(sentence.find("Operation not permitted") != std::string::npos, sentence);
}

BOOST_FIXTURE_TEST_CASE(it_needs_no_more_than_the_plugin_may_do, Mounted,
                        *boost::unit_test::precondition(kernel_takes_filters)) {
  std::string trimmed;
  std::string problem = "none";
  as_the_plugin({}, [&] {
    Space space(image, pool, false, Space::Looks::by_hand);
    space.trim();
    trimmed = space.report().last_trim;
    problem = space.no_room();
  });
  BOOST_TEST(trimmed != "");
  BOOST_TEST(problem.find("cannot") == std::string::npos, problem);
}

// Somebody who looks whether the image is in use asks for its lock.
BOOST_FIXTURE_TEST_CASE(it_holds_no_lock_on_the_image, Mounted) {
  Space space(image, pool, false, Space::Looks::by_hand);
  sys::Fd file = open_file(image, O_RDWR);
  BOOST_TEST(flock(file.get(), LOCK_EX | LOCK_NB) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
