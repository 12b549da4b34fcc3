// SPDX-License-Identifier: Apache-2.0
#include "image/space_policy.hpp"

#include <boost/test/unit_test.hpp>

#include <stdexcept>

namespace snapclone::test {
namespace {

using namespace std::chrono_literals;
using image::SpaceFigures;
using image::TrimPlan;

constexpr std::uint64_t kMega = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiga = std::uint64_t{1} << 30U;

// A disk of 100 GiB, of which 2 are kept, with an image of 144 GiB, of which xfs keeps one.
SpaceFigures roomy() {
  SpaceFigures now;
  now.host_size = 100 * kGiga;
  now.host_free = 42 * kGiga;
  now.on_host = 20 * kGiga;
  now.size = 144 * kGiga;
  now.free = 123 * kGiga;
  return now;
}

SpaceFigures above_margin_by(std::uint64_t bytes) {
  SpaceFigures now = roomy();
  now.host_free = 2 * kGiga + bytes;
  return now;
}

// Looks at these figures once a second until a trim is due.
std::chrono::seconds until_due(TrimPlan& plan, SpaceFigures const& figures,
                               TrimPlan::Clock::time_point& now) {
  auto start = now;
  for (plan.saw(figures, now); !plan.is_due(now) && now - start < 24h; now += 1s) {
    plan.saw(figures, now);
  }
  return std::chrono::duration_cast<std::chrono::seconds>(now - start);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(space_policy)

BOOST_AUTO_TEST_CASE(the_margin_is_two_percent_but_a_gigabyte_and_at_most_a_tenth) {
  BOOST_TEST(image::margin(1000 * kGiga) == 20 * kGiga);
  BOOST_TEST(image::margin(20 * kGiga) == kGiga);
  BOOST_TEST(image::margin(3 * kGiga) == 3 * kGiga / 10);
  BOOST_TEST(image::margin(0) == 0U);
}

BOOST_AUTO_TEST_CASE(what_the_host_has_above_the_margin_is_offered) {
  BOOST_TEST(image::offer(roomy()) == 40 * kGiga);
  SpaceFigures held = roomy();
  held.host_free -= kGiga;
  held.ballast = kGiga;
  BOOST_TEST(image::offer(held) == 40 * kGiga);
}

BOOST_AUTO_TEST_CASE(what_is_dirty_was_promised) {
  SpaceFigures now = roomy();
  now.dirty = 3 * kGiga;
  BOOST_TEST(image::offer(now) == 37 * kGiga);
}

BOOST_AUTO_TEST_CASE(what_the_xfs_uses_and_the_host_has_not_given_was_promised) {
  SpaceFigures now = roomy();
  now.free -= 5 * kGiga;
  BOOST_TEST(image::offer(now) == 35 * kGiga);
  now.dirty = 3 * kGiga;  // is a part of that
  BOOST_TEST(image::offer(now) == 35 * kGiga);
}

BOOST_AUTO_TEST_CASE(nothing_is_offered_below_the_margin_or_where_all_was_promised) {
  BOOST_TEST(image::offer(above_margin_by(0)) == 0U);
  SpaceFigures now = above_margin_by(kGiga);
  now.dirty = 2 * kGiga;
  BOOST_TEST(image::offer(now) == 0U);
  now.host_free = 0;
  BOOST_TEST(image::offer(now) == 0U);
  BOOST_TEST(image::offer({}) == 0U);
}

BOOST_AUTO_TEST_CASE(no_more_is_offered_than_the_xfs_has) {
  SpaceFigures now = roomy();
  now.on_host = 142 * kGiga;
  now.free = kGiga;
  BOOST_TEST(image::offer(now) == kGiga);
}

BOOST_AUTO_TEST_CASE(the_reserve_leaves_what_is_offered_and_is_never_less_than_what_xfs_needs) {
  BOOST_TEST(image::reserve(roomy()) == (123 - 40) * kGiga);
  BOOST_TEST(image::reserve(above_margin_by(0)) == 123 * kGiga);
  SpaceFigures now = roomy();
  now.free = kGiga;
  now.on_host = 142 * kGiga;
  BOOST_TEST(image::reserve(now) == 32 * kMega);
  now.free = kMega;
  BOOST_TEST(image::reserve(now) == kMega);
}

BOOST_AUTO_TEST_CASE(the_nearer_the_margin_the_more_often_it_looks) {
  BOOST_TEST(image::until_next_look(above_margin_by(5 * kGiga)).count() == 1000);
  BOOST_TEST(image::until_next_look(above_margin_by(3 * kGiga)).count() == 250);
  BOOST_TEST(image::until_next_look(above_margin_by(kGiga / 2)).count() == 50);
  BOOST_TEST(image::until_next_look(above_margin_by(0)).count() == 250);  // nothing is offered
  SpaceFigures racing = above_margin_by(0);
  racing.ballast = racing.dirty = 100 * kMega;
  racing.host_free -= racing.ballast;
  BOOST_TEST(image::until_next_look(racing).count() == 20);
  SpaceFigures written = roomy();
  written.dirty = 100 * kMega;
  BOOST_TEST(image::until_next_look(written).count() == 250);
}

BOOST_AUTO_TEST_CASE(dirty_pages_are_written_out_before_the_host_has_no_place_for_them) {
  SpaceFigures now = roomy();
  now.dirty = 4 * kGiga;
  BOOST_TEST(!image::must_write_out(now));
  now.dirty = 6 * kGiga;
  BOOST_TEST(image::must_write_out(now));
  SpaceFigures full = above_margin_by(0);
  BOOST_TEST(!image::must_write_out(full));
  full.dirty = 20 * kMega;
  BOOST_TEST(image::must_write_out(full));
  full.host_free = 0;
  full.dirty = 4096;
  BOOST_TEST(image::must_write_out(full));
}

BOOST_AUTO_TEST_CASE(the_ballast_is_half_of_the_margin_and_is_taken_of_what_nobody_needs) {
  SpaceFigures now = roomy();
  BOOST_TEST(image::wanted_ballast(now) == kGiga);
  now.host_size = 1000 * kGiga;
  BOOST_TEST(image::wanted_ballast(now) == 4 * kGiga);
  BOOST_TEST(image::wanted_ballast(above_margin_by(0)) == kGiga);
  now = above_margin_by(kGiga);
  now.dirty = 2 * kGiga;
  BOOST_TEST(image::wanted_ballast(now) == 0U);
}

BOOST_AUTO_TEST_CASE(the_ballast_is_dropped_when_the_host_has_no_place_for_what_was_promised) {
  SpaceFigures now = above_margin_by(0);
  now.ballast = kGiga;
  now.dirty = kGiga;
  now.host_free = kGiga;
  BOOST_TEST(image::wanted_ballast(now) == now.ballast);
  now.host_free = kGiga - 1;
  BOOST_TEST(image::wanted_ballast(now) == 0U);
}

BOOST_AUTO_TEST_CASE(pieces_that_take_long_become_smaller_and_quick_ones_larger) {
  BOOST_TEST(image::next_piece(kGiga, 100ms) == kGiga / 2);
  BOOST_TEST(image::next_piece(kGiga, 20ms) == kGiga);
  BOOST_TEST(image::next_piece(kGiga, 1ms) == 2 * kGiga);
  BOOST_TEST(image::next_piece(64 * kMega, 1s) == 64 * kMega);
  BOOST_TEST(image::next_piece(16 * kGiga, 1ms) == 16 * kGiga);
}

BOOST_AUTO_TEST_CASE(much_that_was_freed_is_trimmed_once_nothing_grows) {
  TrimPlan::Clock::time_point now{};
  TrimPlan plan(now);
  SpaceFigures figures = roomy();
  plan.saw(figures, now);
  figures.free += 63 * kMega;
  plan.saw(figures, now);
  BOOST_TEST(!plan.is_due(now + 60s));
  figures.free += kMega;
  plan.saw(figures, now);
  BOOST_TEST(plan.is_due(now + 5s));
  figures.free -= 10 * kMega;
  now += 60s;
  plan.saw(figures, now);
  BOOST_TEST(!plan.is_due(now + 4s));
  BOOST_TEST(plan.is_due(now + 5s));
}

BOOST_AUTO_TEST_CASE(what_grew_again_elsewhere_was_freed_all_the_same) {
  TrimPlan::Clock::time_point now{};
  TrimPlan plan(now);
  SpaceFigures figures = roomy();
  for (int i = 0; i < 8; ++i) {
    figures.free += i % 2 == 0 ? 20 * kMega : 0;
    figures.free -= i % 2 == 1 ? 20 * kMega : 0;
    plan.saw(figures, now);
  }
  BOOST_TEST(!plan.is_due(now + 60s));  // 60 MiB
  figures.free += 20 * kMega;
  plan.saw(figures, now);
  BOOST_TEST(plan.is_due(now + 60s));
}

BOOST_AUTO_TEST_CASE(what_was_freed_before_the_start_is_trimmed_soon) {
  TrimPlan::Clock::time_point now{};
  TrimPlan plan(now);
  SpaceFigures figures = roomy();
  figures.on_host = 30 * kGiga;
  plan.saw(figures, now);
  BOOST_TEST(plan.is_due(now + 5s));
}

BOOST_AUTO_TEST_CASE(a_host_with_little_left_gets_it_back_while_others_write) {
  TrimPlan::Clock::time_point now{};
  TrimPlan plan(now);
  SpaceFigures figures = above_margin_by(kGiga);
  plan.saw(figures, now);
  figures.free += kGiga;
  plan.saw(figures, now);
  figures.free -= 100 * kMega;
  plan.saw(figures, now);
  BOOST_TEST(plan.is_due(now));
}

BOOST_AUTO_TEST_CASE(below_the_margin_it_trims_whatever_was_freed) {
  TrimPlan::Clock::time_point now{};
  TrimPlan plan(now);
  plan.saw(above_margin_by(0), now);
  BOOST_TEST(plan.is_due(now));
}

BOOST_AUTO_TEST_CASE(a_trim_in_vain_doubles_the_pause_until_one_gives_something_back) {
  TrimPlan::Clock::time_point now{};
  TrimPlan plan(now);
  SpaceFigures figures = roomy();
  plan.saw(figures, now);
  auto trim = [&](std::uint64_t gives) {
    plan.begin();
    figures.on_host -= gives;
    plan.saw(figures, now);
    plan.end(now);
  };
  trim(2 * kMega);
  BOOST_TEST(until_due(plan, figures, now).count() == 600);
  trim(0);
  BOOST_TEST(until_due(plan, figures, now).count() == 1200);
  trim(0);
  BOOST_TEST(until_due(plan, figures, now).count() == 2400);
  for (int i = 0; i < 20; ++i) trim(0);
  BOOST_TEST(until_due(plan, figures, now).count() == 6 * 3600);
  trim(2 * kMega);
  BOOST_TEST(until_due(plan, figures, now).count() == 600);
}

BOOST_AUTO_TEST_CASE(
    below_the_margin_much_that_was_freed_is_trimmed_at_once_even_after_many_in_vain) {
  TrimPlan::Clock::time_point now{};
  TrimPlan plan(now);
  SpaceFigures figures = above_margin_by(0);
  plan.saw(figures, now);
  for (int i = 0; i < 20; ++i) {
    plan.begin();
    plan.end(now);
  }
  BOOST_TEST(until_due(plan, figures, now).count() == 600);
  plan.begin();
  plan.end(now);
  figures.free += 64 * kMega;
  BOOST_TEST(until_due(plan, figures, now).count() == 5);
}

BOOST_AUTO_TEST_CASE(dirty_and_writeback_are_read_from_the_memory_s_figures) {
  BOOST_TEST(image::dirty_bytes("MemTotal:  9 kB\nDirty:   12 kB\nWriteback:     3 kB\n"
                                "WritebackTmp:   99 kB\n") == 15 * 1024U);
  BOOST_CHECK_THROW(image::dirty_bytes("MemTotal:  9 kB\nDirty:   12 kB\n"), std::runtime_error);
  BOOST_CHECK_THROW(image::dirty_bytes("x\nDirty: much\nWriteback: 0 kB\n"), std::runtime_error);
  BOOST_CHECK_THROW(image::dirty_bytes(""), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
