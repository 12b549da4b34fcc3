// SPDX-License-Identifier: Apache-2.0
#include "power/cuts.hpp"
#include "power/days.hpp"
#include "power/isolation.hpp"
#include "power/requirements.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <iostream>
#include <string>

// What was acknowledged before the power was cut is there afterwards, whenever that happened and
// whatever became of what the disk had not flushed.
//   power_tests              some moments of an ordinary day
//   power_tests -- SEEDS     every moment of it and of other days; more seeds tear more disks
namespace snapclone::test {
namespace {

using Day = std::function<Recording(Ground const& ground)>;

std::vector<Ground> const& grounds(bool all) {
  static std::vector<Ground> const some = {{"overlay on ext4", "ext4", "overlay"},
                                           {"overlay on xfs", "xfs", "overlay"},
                                           {"btrfs", "btrfs", "btrfs"},
                                           {"copy on ext4", "ext4", "copy"},
                                           {"xfs in an image", "xfs", "overlay", true, true}};
  static std::vector<Ground> const more = [] {
    auto made = some;
    made.push_back({"overlay on btrfs", "btrfs", "overlay"});
    made.push_back({"copy on xfs", "xfs", "copy"});
    made.push_back({"copy on btrfs", "btrfs", "copy"});
    return made;
  }();
  return all ? more : some;
}

// The cuts of one day. After a few broken promises, which it prints at once, it is over.
class Campaign {
 public:
  explicit Campaign(Recording const& recording) : recording_(recording) {}
  ~Campaign() {
    BOOST_TEST_MESSAGE(recording_.ground.name << ": " << cuts_ << " power cuts in a day of "
                                              << recording_.changes.size() << " changes");
  }
  Campaign(Campaign const&) = delete;
  Campaign& operator=(Campaign const&) = delete;

  bool is_over() const { return broken_ >= kMostFailures; }

  void cut(Cut const& cut) {
    if (is_over()) return;
    ++cuts_;
    std::string broken = broken_promises(recording_, cut);
    BOOST_TEST(broken.empty(), "power cut " << cut.what << ":\n" << broken);
    if (broken.empty()) return;
    ++broken_;
    std::cout << std::flush;  // whoever ends the run too early sees it, too
  }
  void cut_twice(Cut const& first, unsigned seed) {
    if (!is_over()) cut(once_more(recording_, first, seed));
  }

 private:
  Recording const& recording_;
  std::size_t cuts_ = 0;
  std::size_t broken_ = 0;
};

// Where something was acknowledged, all that is not flushed is lost; elsewhere some of it, now and
// then.
void cut_at_some_moments(Ground const& ground) {
  constexpr unsigned kNowAndThen = 6;
  // A boot takes four times as long with two file systems to recover.
  unsigned const share = ground.in_image ? 2 : 1;
  Recording const recording = ordinary_day(ground);
  Campaign campaign(recording);
  unsigned number = 0;
  unsigned events = 0;
  for (auto const& interval : intervals(recording)) {
    if (campaign.is_over()) return;
    if (interval.eventful() && events++ % share == 0) campaign.cut(interval.all_lost());
    if (++number % (share * kNowAndThen) == 0) campaign.cut(interval.torn(number));
    if (number % (5 * share * kNowAndThen) == 0) campaign.cut_twice(interval.torn(number), number);
  }
}

void cut_at_every_moment(Ground const& ground, Day const& day, unsigned seeds) {
  Recording const recording = day(ground);
  Campaign campaign(recording);
  for (auto const& interval : intervals(recording)) {
    if (campaign.is_over()) return;
    campaign.cut(interval.all_lost());
    campaign.cut(interval.all_kept());
    for (unsigned seed = 1; seed <= seeds; ++seed) campaign.cut(interval.torn(seed));
    campaign.cut_twice(interval.torn(seeds + 1), seeds);
  }
}

struct Named {
  std::string name;
  std::function<void(Ground const& ground)> test;
};

// The tests for each ground. Without seeds it is the short form.
std::vector<Named> tests(unsigned seeds) {
  std::string const promise = "what_was_acknowledged_survives_a_power_cut";
  if (seeds == 0) return {{promise, cut_at_some_moments}};
  std::vector<std::pair<std::string, Day>> days = {{"_on_an_ordinary_day", ordinary_day},
                                                   {"_on_a_busy_day", busy_day},
                                                   {"_when_a_stack_is_high", day_of_a_high_stack}};
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    days.emplace_back("_on_random_day_" + std::to_string(seed),
                      [seed](Ground const& ground) { return random_day(ground, seed); });
  }
  std::vector<Named> all;
  for (auto const& [name, day] : days) {
    all.push_back({promise + name, [seeds, spend = day](Ground const& ground) {
                     cut_at_every_moment(ground, spend, seeds);
                   }});
  }
  return all;
}

}  // namespace
}  // namespace snapclone::test

boost::unit_test::test_suite* init_unit_test_suite(int argc, char** argv) {
  using namespace snapclone::test;
  isolate();
  unsigned seeds = argc > 1 ? static_cast<unsigned>(std::stoul(argv[1])) : 0;
  auto& master = boost::unit_test::framework::master_test_suite();
  master.p_name.value = "snapclone";
  for (auto const& ground : grounds(seeds != 0)) {
    auto* suite = BOOST_TEST_SUITE(ground.name);
    for (auto const& named : tests(seeds)) {
      auto* made = boost::unit_test::make_test_case([&ground, test = named.test] { test(ground); },
                                                    named.name, __FILE__, __LINE__);
      made->add_precondition(few_failures);
      suite->add(made);
    }
    suite->add_precondition(can_record(ground.in_image ? "ext4" : ground.filesystem));
    master.add(suite);
  }
  return nullptr;
}
