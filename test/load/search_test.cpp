// SPDX-License-Identifier: Apache-2.0
#include "load/search.hpp"

#include "load/ledger.hpp"

#include <boost/test/unit_test.hpp>

namespace snapclone::test {
namespace {

Clock::time_point at(int moment) { return Clock::time_point(std::chrono::seconds(moment)); }

Event during(int begin, int end, Event event) {
  event.begin = at(begin);
  event.end = at(end);
  return event;
}

bool possible(std::vector<Event> const& events) { return contradiction(events).empty(); }

Event const made = during(0, 1, {.what = Saying::created, .tag = 1, .files = Files{}});

std::string own(int number) { return "own" + std::to_string(number); }

}  // namespace

// What finds the faults of others must be able to find one.
BOOST_AUTO_TEST_SUITE(search)

BOOST_AUTO_TEST_CASE(what_happened_one_after_the_other_must_fit_together) {
  Event const removed = during(2, 3, {.what = Saying::removed});
  BOOST_TEST(possible({made, removed, during(4, 5, {.what = Saying::absent})}));
  BOOST_TEST(!possible({made, removed, during(4, 5, {.what = Saying::listed})}));
  BOOST_TEST(!possible({made, during(2, 3, {.what = Saying::present, .tag = 2})}));
}

BOOST_AUTO_TEST_CASE(what_happened_at_the_same_time_may_have_happened_in_either_order) {
  Event const removed = during(2, 6, {.what = Saying::removed});
  BOOST_TEST(possible({made, removed, during(3, 4, {.what = Saying::listed})}));
  BOOST_TEST(possible({made, removed, during(3, 4, {.what = Saying::absent})}));
}

BOOST_AUTO_TEST_CASE(what_one_client_has_seen_another_does_not_see_undone) {
  Event const removed = during(2, 9, {.what = Saying::removed});
  Event const gone = during(3, 4, {.what = Saying::absent});
  BOOST_TEST(possible({made, removed, gone, during(5, 6, {.what = Saying::absent})}));
  BOOST_TEST(!possible({made, removed, gone, during(5, 6, {.what = Saying::listed})}));
}

BOOST_AUTO_TEST_CASE(what_is_mounted_cannot_be_removed) {
  Event const mounted = during(2, 3, {.what = Saying::mounted, .id = "a", .path = "/a"});
  Event const removed = during(6, 7, {.what = Saying::removed});
  BOOST_TEST(!possible({made, mounted, removed}));
  BOOST_TEST(
      possible({made, mounted, removed, during(4, 5, {.what = Saying::unmounted, .id = "a"})}));
}

BOOST_AUTO_TEST_CASE(an_id_keeps_its_path_as_long_as_it_is_mounted) {
  Event const first = during(2, 3, {.what = Saying::mounted, .id = "a", .path = "/one"});
  Event const second = during(6, 7, {.what = Saying::mounted, .id = "a", .path = "/two"});
  BOOST_TEST(!possible({made, first, second}));
  BOOST_TEST(possible({made, first, second, during(4, 5, {.what = Saying::unmounted, .id = "a"})}));
}

BOOST_AUTO_TEST_CASE(of_many_mounts_at_once_any_number_may_be_seen_but_no_more) {
  constexpr int kMany = 40;
  std::vector<Event> events = {made};
  for (int i = 0; i < kMany; ++i) {
    events.push_back(during(2, 10 + i, {.what = Saying::mounted, .id = own(i), .own = true}));
  }
  for (std::size_t number : {0, 7, kMany}) {
    auto looked = events;
    looked.push_back(during(3, 4, {.what = Saying::has_mounts, .number = number}));
    BOOST_TEST(possible(looked), number);
  }
  events.push_back(during(3, 4, {.what = Saying::has_mounts, .number = kMany + 1}));
  BOOST_TEST(!possible(events));
}

BOOST_AUTO_TEST_CASE(a_search_that_finds_too_much_possible_gives_up_and_says_so) {
  std::vector<Event> events = {made};
  for (int i = 0; i < 20; ++i) {
    events.push_back(during(2, 10 + i, {.what = Saying::mounted, .id = own(i)}));
  }
  events.push_back(during(3, 4, {.what = Saying::has_mounts, .number = 10}));
  BOOST_TEST(contradiction(events, 1000).find("too many") == 0U);
}

BOOST_AUTO_TEST_CASE(a_snapshot_holds_what_was_written_before_it_and_nothing_else) {
  Event const mounted = during(2, 3, {.what = Saying::mounted, .id = "a", .path = "/a"});
  Event const wrote = during(4, 5, {.what = Saying::wrote, .path = "file"});
  auto frozen = [&](int begin, int end, Files const& files) {
    return possible(
        {made, mounted, wrote, during(begin, end, {.what = Saying::holds, .files = files})});
  };
  BOOST_TEST(frozen(6, 7, {"file"}));
  BOOST_TEST(!frozen(6, 7, {}));
  BOOST_TEST(!frozen(6, 7, {"file", "other"}));
  BOOST_TEST(frozen(3, 5, {"file"}));
  BOOST_TEST(frozen(3, 5, {}));
}

BOOST_AUTO_TEST_CASE(a_mount_that_is_undone_may_be_seen_until_then) {
  Event const undone = during(2, 5, {.what = Saying::flickered});
  auto seen = [&](int begin, int end) {
    return possible({made, undone, during(begin, end, {.what = Saying::in_use})});
  };
  BOOST_TEST(seen(3, 4));
  BOOST_TEST(!seen(6, 7));
  BOOST_TEST(possible({made, undone, during(3, 4, {.what = Saying::removed})}));
}

BOOST_AUTO_TEST_CASE(a_mount_that_is_undone_may_be_seen_beside_one_that_is_answered_later) {
  Event const undone = during(2, 5, {.what = Saying::flickered});
  Event const mounted = during(3, 9, {.what = Saying::mounted, .id = "a", .path = "/a"});
  auto seen = [&](std::size_t number) {
    return possible(
        {made, undone, mounted, during(4, 8, {.what = Saying::has_mounts, .number = number})});
  };
  BOOST_TEST(seen(2));
  BOOST_TEST(!seen(3));
}

BOOST_AUTO_TEST_CASE(the_ledger_sees_what_is_lost_and_what_has_changed) {
  Ledger ledger;
  std::string file = Ledger::new_file(1, "file");
  BOOST_TEST(ledger.shows(1, {"before"}, at(1)) == "");
  ledger.wrote(1, file, at(2));
  BOOST_TEST(ledger.shows(1, {"before", file}, at(3)) == "");
  BOOST_TEST(ledger.shows(1, {"before"}, at(1)) == "");  // listed before that was written
  BOOST_TEST(ledger.shows(1, {"before"}, at(3)) != "");
  BOOST_TEST(ledger.shows(1, {"before", file, "strange"}, at(3)) != "");
  BOOST_TEST((ledger.first(1) == Files{"before"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
