// SPDX-License-Identifier: Apache-2.0
#include "load/linearizable.hpp"

#include "load/contents.hpp"

#include <boost/test/unit_test.hpp>

namespace snapclone::test {
namespace {

Clock::time_point at(int moment) { return Clock::time_point(std::chrono::seconds(moment)); }

Observation during(int begin, int end, Observation observation) {
  observation.begin = at(begin);
  observation.end = at(end);
  return observation;
}

bool possible(std::vector<Observation> const& observations) {
  return contradiction(observations).empty();
}

Observation const made = during(0, 1, {.kind = Observation::created, .tag = 1, .files = Files{}});

std::string own(int number) { return "own" + std::to_string(number); }

}  // namespace

// The check that finds the faults of others can find one.
BOOST_AUTO_TEST_SUITE(linearizable)

BOOST_AUTO_TEST_CASE(what_happened_one_after_the_other_must_fit_together) {
  Observation const removed = during(2, 3, {.kind = Observation::removed});
  BOOST_TEST(possible({made, removed, during(4, 5, {.kind = Observation::absent})}));
  BOOST_TEST(!possible({made, removed, during(4, 5, {.kind = Observation::listed})}));
  BOOST_TEST(!possible({made, during(2, 3, {.kind = Observation::present, .tag = 2})}));
}

BOOST_AUTO_TEST_CASE(what_happened_at_the_same_time_may_have_happened_in_either_order) {
  Observation const removed = during(2, 6, {.kind = Observation::removed});
  BOOST_TEST(possible({made, removed, during(3, 4, {.kind = Observation::listed})}));
  BOOST_TEST(possible({made, removed, during(3, 4, {.kind = Observation::absent})}));
}

BOOST_AUTO_TEST_CASE(what_one_client_has_seen_another_does_not_see_undone) {
  Observation const removed = during(2, 9, {.kind = Observation::removed});
  Observation const gone = during(3, 4, {.kind = Observation::absent});
  BOOST_TEST(possible({made, removed, gone, during(5, 6, {.kind = Observation::absent})}));
  BOOST_TEST(!possible({made, removed, gone, during(5, 6, {.kind = Observation::listed})}));
}

BOOST_AUTO_TEST_CASE(what_is_mounted_cannot_be_removed) {
  Observation const mounted = during(2, 3, {.kind = Observation::mounted, .id = "a", .path = "/a"});
  Observation const removed = during(6, 7, {.kind = Observation::removed});
  BOOST_TEST(!possible({made, mounted, removed}));
  BOOST_TEST(possible(
      {made, mounted, removed, during(4, 5, {.kind = Observation::unmounted, .id = "a"})}));
}

BOOST_AUTO_TEST_CASE(an_id_keeps_its_path_as_long_as_it_is_mounted) {
  Observation const first = during(2, 3, {.kind = Observation::mounted, .id = "a", .path = "/one"});
  Observation const second =
      during(6, 7, {.kind = Observation::mounted, .id = "a", .path = "/two"});
  BOOST_TEST(!possible({made, first, second}));
  BOOST_TEST(
      possible({made, first, second, during(4, 5, {.kind = Observation::unmounted, .id = "a"})}));
}

BOOST_AUTO_TEST_CASE(of_many_mounts_at_once_any_number_may_be_seen_but_no_more) {
  constexpr int kMany = 40;
  std::vector<Observation> observations = {made};
  for (int i = 0; i < kMany; ++i) {
    observations.push_back(
        during(2, 10 + i, {.kind = Observation::mounted, .id = own(i), .own = true}));
  }
  for (std::size_t number : {0, 7, kMany}) {
    auto looked = observations;
    looked.push_back(during(3, 4, {.kind = Observation::has_mounts, .number = number}));
    BOOST_TEST(possible(looked), number);
  }
  observations.push_back(during(3, 4, {.kind = Observation::has_mounts, .number = kMany + 1}));
  BOOST_TEST(!possible(observations));
}

BOOST_AUTO_TEST_CASE(a_check_that_finds_too_much_possible_gives_up_and_says_so) {
  std::vector<Observation> observations = {made};
  for (int i = 0; i < 20; ++i) {
    observations.push_back(during(2, 10 + i, {.kind = Observation::mounted, .id = own(i)}));
  }
  observations.push_back(during(3, 4, {.kind = Observation::has_mounts, .number = 10}));
  BOOST_TEST(contradiction(observations, 1000).find("too many") == 0U);
}

BOOST_AUTO_TEST_CASE(a_snapshot_holds_what_was_written_before_it_and_nothing_else) {
  Observation const mounted = during(2, 3, {.kind = Observation::mounted, .id = "a", .path = "/a"});
  Observation const wrote = during(4, 5, {.kind = Observation::wrote, .path = "file"});
  auto frozen = [&](int begin, int end, Files const& files) {
    return possible(
        {made, mounted, wrote, during(begin, end, {.kind = Observation::holds, .files = files})});
  };
  BOOST_TEST(frozen(6, 7, {"file"}));
  BOOST_TEST(!frozen(6, 7, {}));
  BOOST_TEST(!frozen(6, 7, {"file", "other"}));
  BOOST_TEST(frozen(3, 5, {"file"}));
  BOOST_TEST(frozen(3, 5, {}));
}

BOOST_AUTO_TEST_CASE(a_mount_that_is_undone_may_be_seen_until_then) {
  Observation const undone = during(2, 5, {.kind = Observation::flickered});
  auto seen = [&](int begin, int end) {
    return possible({made, undone, during(begin, end, {.kind = Observation::in_use})});
  };
  BOOST_TEST(seen(3, 4));
  BOOST_TEST(!seen(6, 7));
  BOOST_TEST(possible({made, undone, during(3, 4, {.kind = Observation::removed})}));
}

BOOST_AUTO_TEST_CASE(a_mount_that_is_undone_may_be_seen_beside_one_that_is_answered_later) {
  Observation const undone = during(2, 5, {.kind = Observation::flickered});
  Observation const mounted = during(3, 9, {.kind = Observation::mounted, .id = "a", .path = "/a"});
  auto seen = [&](std::size_t number) {
    return possible(
        {made, undone, mounted, during(4, 8, {.kind = Observation::has_mounts, .number = number})});
  };
  BOOST_TEST(seen(2));
  BOOST_TEST(!seen(3));
}

BOOST_AUTO_TEST_CASE(contents_show_what_is_lost_and_what_has_changed) {
  Contents contents;
  std::string file = Contents::new_file(1, "file");
  BOOST_TEST(contents.shows(1, {"before"}, at(1)) == "");
  contents.wrote(1, file, at(2));
  BOOST_TEST(contents.shows(1, {"before", file}, at(3)) == "");
  BOOST_TEST(contents.shows(1, {"before"}, at(1)) == "");  // listed before that was written
  BOOST_TEST(contents.shows(1, {"before"}, at(3)) != "");
  BOOST_TEST(contents.shows(1, {"before", file, "strange"}, at(3)) != "");
  BOOST_TEST((contents.first(1) == Files{"before"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
