// SPDX-License-Identifier: Apache-2.0
#include "kit/private_mounts.hpp"
#include "kit/requirements.hpp"
#include "load/load.hpp"

namespace snapclone::test {
namespace {

std::vector<Ground> const grounds = {
    {"overlay on ext4", "ext4", "overlay"},
    {"btrfs", "btrfs", "btrfs"},
    {"copy on ext4", "ext4", "copy"},
};

Settings chosen;

// What stands after "--" on the command line of a Boost.Test instance.
void read_settings() {
  auto const& suite = boost::unit_test::framework::master_test_suite();
  for (int i = 1; i + 1 < suite.argc; ++i) {
    if (std::string(suite.argv[i]) == "--seconds") {
      chosen.time = std::chrono::seconds(std::stoul(suite.argv[i + 1]));
    }
  }
}

void add(boost::unit_test::test_suite& suite, char const* label, char const* name,
         void (*test)(Ground const&), Ground const& ground) {
  auto* made =
      boost::unit_test::make_test_case([test, &ground] { test(ground); }, name, __FILE__, __LINE__);
  made->add_label(label);
  made->add_precondition(few_failures);
  suite.add(made);
}

}  // namespace

Settings const& settings() { return chosen; }

}  // namespace snapclone::test

boost::unit_test::test_suite* init_unit_test_suite(int /*argc*/, char** /*argv*/) {
  using namespace snapclone::test;
  make_mounts_private();
  read_settings();
  auto& master = boost::unit_test::framework::master_test_suite();
  master.p_name.value = "snapclone";
  for (auto const& ground : grounds) {
    auto* suite = BOOST_TEST_SUITE(ground.name);
    add(*suite, "clones", "a_thousand_clones_at_once_are_private_and_leave_nothing",
        hold_many_clones, ground);
    add(*suite, "mix", "every_answer_to_64_clients_is_one_that_some_order_gives", mix_all_verbs,
        ground);
    add(*suite, "soak", "after_many_pairs_of_verbs_it_holds_what_it_held_before", repeat_pairs,
        ground);
    if (ground.backend == "copy") {
      add(*suite, "copy", "get_and_list_are_answered_while_a_copy_runs", look_during_a_copy,
          ground);
      add(*suite, "copy", "an_unmount_is_answered_while_forty_mounts_copy", unmount_beside_copies,
          ground);
    }
    suite->add_precondition(can_make(ground.filesystem));
    master.add(suite);
  }
  return nullptr;
}
