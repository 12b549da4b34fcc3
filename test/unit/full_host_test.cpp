// SPDX-License-Identifier: Apache-2.0
#include "space_fixture.hpp"
#include "sys/text.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <thread>

// What an application wrote, while the host's disk becomes full.
namespace snapclone::test {
namespace {

struct Filling {
  bool direct;
  bool sync;
  std::size_t writers;
};
constexpr Filling kFillings[] = {
    {true, false, 1}, {true, false, 4}, {true, true, 2}, {false, false, 4}};
std::ostream& operator<<(std::ostream& out, Filling const& how) {
  return out << (how.direct ? "direct" : "buffered") << (how.sync ? ", with fsync, " : ", ")
             << sys::counted(how.writers, "writer");
}

void fill_from_both_sides(Filling const& how) {
  Host host(3 * kHostSize);  // of which 300 MiB are kept
  host.mount(how.direct);
  Space space(host.image, host.pool, false);
  wait_for_room(space, 500 * kMega);
  host.leave(500 * kMega);
  space.round();
  std::vector<Accepted> accepted(how.writers);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < how.writers; ++i) {
    threads.emplace_back([&, i] { accepted[i] = fill(host.pool / std::to_string(i), how.sync); });
  }
  // It syncs, so it is as fast as the disk. One that fills the disk at the speed of memory can be
  // faster than what was promised is written out, if the margin is as small as here.
  threads.emplace_back([&] { fill(host.disk.path / "filler", true); });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(host.sync_pool() == 0);
  forget_cached();
  for (std::size_t i = 0; i < how.writers; ++i) {
    BOOST_TEST(accepted[i].error == ENOSPC);
    BOOST_TEST(kept(host.pool / std::to_string(i), accepted[i].bytes) == accepted[i].bytes);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(full_host, *boost::unit_test::precondition(can_make("xfs")))

BOOST_DATA_TEST_CASE(nothing_that_a_write_accepted_is_lost_while_others_fill_the_host, kFillings,
                     how) {
  fill_from_both_sides(how);
}

BOOST_FIXTURE_TEST_CASE(what_is_dirty_gets_its_place_when_somebody_takes_all_space_at_once,
                        Mounted) {
  Space space(image, pool, false, Space::Looks::by_hand);
  wait_for_room(space, 500 * kMega);
  Accepted accepted = fill(pool / "file", false, 40 * kMega);
  space.round();
  take_all();
  space.round();
  BOOST_TEST(sync_pool() == 0);
  forget_cached();
  BOOST_TEST(accepted.bytes == 40 * kMega);
  BOOST_TEST(kept(pool / "file", accepted.bytes) == accepted.bytes);
}

BOOST_FIXTURE_TEST_CASE(space_that_was_allocated_in_advance_is_there_when_it_is_written, Mounted) {
  Space space(image, pool, false);
  wait_for_room(space, 500 * kMega);
  leave(500 * kMega);
  space.round();
  {
    sys::Fd file = open_file(pool / "file");
    BOOST_REQUIRE(eventually([&] { return free_on(pool) > 150 * kMega; }));
    BOOST_REQUIRE(posix_fallocate(file.get(), 0, 150 * kMega) == 0);
  }
  space.round();
  Accepted others = fill(pool / "others", false);
  BOOST_TEST(others.error == ENOSPC);
  Accepted accepted = fill(pool / "file", true, 150 * kMega);
  BOOST_TEST(accepted.error == 0);
  BOOST_TEST(sync_pool() == 0);
  forget_cached();
  BOOST_TEST(kept(pool / "file", 150 * kMega) == 150 * kMega);
  BOOST_TEST(kept(pool / "others", others.bytes) == others.bytes);
}

BOOST_FIXTURE_TEST_CASE(deletions_in_a_full_pool_make_room_again, Mounted) {
  Space space(image, pool, false);
  leave(300 * kMega);
  space.round();
  BOOST_TEST(fill(pool / "file", false).error == ENOSPC);
  fs::remove(pool / "file");
  BOOST_TEST(eventually([&] { return free_on(pool) > 100 * kMega; }));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
