// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/privileges.hpp"

#include <boost/filesystem/operations.hpp>
#include <boost/test/results_collector.hpp>
#include <boost/test/tree/traverse.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <string>

// Preconditions of Boost.Test: each says what is missing on this machine.
namespace snapclone::test {

inline boost::test_tools::assertion_result fulfilled_unless(std::string const& missing) {
  boost::test_tools::assertion_result result(missing.empty());
  result.message() << missing;
  return result;
}

// For tests that need file systems beyond tmpfs.
inline auto can_make(std::string const& filesystem) {
  return [tool = "mkfs." + filesystem](boost::unit_test::test_unit_id) {
    namespace fs = boost::filesystem;
    if (!fs::exists("/usr/sbin/" + tool) && !fs::exists("/sbin/" + tool)) {
      return fulfilled_unless("there is no " + tool + " here");
    }
    bool loops = fs::exists("/dev/loop-control");
    return fulfilled_unless(loops ? "" : "there are no loop devices here");
  };
}

inline boost::test_tools::assertion_result kernel_takes_filters(boost::unit_test::test_unit_id) {
  return fulfilled_unless(why_no_filter());
}

// For suites that find one fault again and again, some after a minute: after a few failures the
// rest is skipped, so that a red run ends soon.
constexpr std::size_t kMostFailures = 3;

inline boost::test_tools::assertion_result few_failures(boost::unit_test::test_unit_id) {
  struct : boost::unit_test::test_tree_visitor {
    void visit(boost::unit_test::test_case const& test) override {
      failures += boost::unit_test::results_collector.results(test.p_id).p_assertions_failed;
    }
    std::size_t failures = 0;
  } all;
  traverse_test_tree(boost::unit_test::framework::master_test_suite().p_id, all, true);
  bool few = all.failures < kMostFailures;
  return fulfilled_unless(few ? "" : "others have failed, and more would say the same");
}

}  // namespace snapclone::test
