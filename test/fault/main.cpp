// SPDX-License-Identifier: Apache-2.0
#include "fault/campaign.hpp"
#include "fault/moves.hpp"
#include "kit/private_mounts.hpp"
#include "kit/requirements.hpp"

#include <boost/test/unit_test.hpp>

#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include <sys/resource.h>

namespace snapclone::test {
namespace {

std::map<std::string, Tally> totals;  // by ground

struct PrintTotals {
  ~PrintTotals() {
    for (auto const& [ground, tally] : totals) {
      std::cout << ground << ", all: " << described(tally) << std::endl;
    }
  }
};

constexpr char kOnlyInLongForm[] = "overlay on tmpfs";

constexpr char kMoves[] = "moves";  // named like a ground

using Part = void (Campaign::*)();

void test(Ground const& ground, Scenario const& scenario, std::size_t salt, Part part,
          bool everything, Sampling& sampling) {
  Campaign campaign(ground, scenario, salt, everything, sampling);
  (campaign.*part)();
  totals[ground.name] += campaign.tally();
  std::cout << ground.name << ", " << scenario.name << ": " << described(campaign.tally())
            << std::endl;
}

boost::unit_test::test_suite* suite_of(Ground const& ground, std::string const& name, Part part,
                                       bool everything) {
  auto* suite = BOOST_TEST_SUITE(name);
  auto sampling = std::make_shared<Sampling>();
  std::size_t salt = 0;
  for (auto const& scenario : scenarios()) {
    ++salt;
    if (scenario.layered && !ground.layered()) continue;
    if (scenario.in_image != ground.in_image) continue;
    // They are few, and the same call means something else in each.
    if (scenario.in_image) sampling = std::make_shared<Sampling>();
    auto call = [&ground, &scenario, salt, part, everything, sampling] {
      test(ground, scenario, salt, part, everything, *sampling);
    };
    auto* made = boost::unit_test::make_test_case(call, scenario.name, __FILE__, __LINE__);
    made->add_precondition(few_failures);
    suite->add(made);
  }
  return suite;
}

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(PrintTotals);

}  // namespace snapclone::test

// fault_tests -- [all] [GROUND]...: with "all" every call is struck, which takes hours; otherwise
// what there is time for, on the grounds that are named, or on those that differ most.
boost::unit_test::test_suite* init_unit_test_suite(int argc, char** argv) {
  using namespace snapclone::test;
  std::set<std::string> named(argv + 1, argv + argc);
  bool everything = named.erase("all") == 1;
  if (named.empty()) {
    for (auto const& ground : grounds()) {
      if (everything || ground.name != kOnlyInLongForm) named.insert(ground.name);
    }
    named.insert(kMoves);
  }
  make_mounts_private();
  // The program's threads are told apart by their niceness, which it inherits.
  if (setpriority(PRIO_PROCESS, 0, 0) != 0) {
    throw std::runtime_error("the fault tests cannot run with another niceness than 0");
  }
  auto& master = boost::unit_test::framework::master_test_suite();
  master.p_name.value = "snapclone";
  for (auto const& ground : grounds()) {
    if (named.erase(ground.name) == 0) continue;
    auto* suite = BOOST_TEST_SUITE(ground.name);
    suite->add(suite_of(ground, "killed in", &Campaign::kills, everything));
    suite->add(suite_of(ground, "killed again after", &Campaign::second_kills, everything));
    suite->add(suite_of(ground, "failing in", &Campaign::failures, everything));
    std::string const& disk = ground.in_image ? "ext4" : ground.filesystem;
    if (disk != "tmpfs") suite->add_precondition(can_make(disk));
    master.add(suite);
  }
  if (named.erase(kMoves) == 1) master.add(suite_of_moves(everything));
  if (!named.empty()) throw std::runtime_error("there is no ground \"" + *named.begin() + "\"");
  return nullptr;
}
