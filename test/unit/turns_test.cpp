// SPDX-License-Identifier: Apache-2.0
#include "volume/turns.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <random>
#include <thread>

namespace snapclone::volume {
namespace {

// Jobs that are started when the test says so.
struct Manual {
  std::deque<std::function<void()>> started;
  Turns turns{[this](Lane, std::function<void()> job) { started.push_back(std::move(job)); }};

  void run(
      std::vector<std::string> const& keys, std::function<void()> const& job = [] {}) {
    turns.run(keys, Lane::quick, [job](Turns::Turn&) { job(); });
  }

  void run_next() {
    auto job = std::move(started.front());
    started.pop_front();
    job();
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(turns)

BOOST_AUTO_TEST_CASE(jobs_of_one_key_run_one_after_the_other_in_order) {
  Manual manual;
  std::string order;
  for (char name : {'a', 'b', 'c'}) manual.run({"key"}, [&order, name] { order += name; });
  BOOST_TEST(manual.started.size() == 1U);
  while (!manual.started.empty()) manual.run_next();
  BOOST_TEST(order == "abc");
}

BOOST_AUTO_TEST_CASE(jobs_without_a_key_in_common_start_at_once) {
  Manual manual;
  manual.run({"a"});
  manual.run({"b", "c"});
  manual.run({});
  BOOST_TEST(manual.started.size() == 3U);
}

BOOST_AUTO_TEST_CASE(a_job_with_two_keys_waits_for_both) {
  Manual manual;
  manual.run({"a"});
  manual.run({"b"});
  manual.run({"b", "a"});
  BOOST_TEST(manual.started.size() == 2U);
  manual.run_next();
  BOOST_TEST(manual.started.size() == 1U);
  manual.run_next();
  BOOST_TEST(manual.started.size() == 1U);
}

BOOST_AUTO_TEST_CASE(the_same_key_twice_counts_once) {
  Manual manual;
  manual.run({"a", "a"});
  BOOST_TEST(manual.started.size() == 1U);
  manual.run_next();
  manual.run({"a"});
  BOOST_TEST(manual.started.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_job_goes_on_with_one_more_key_and_keeps_its_own) {
  Manual manual;
  std::string order;
  manual.run({"clone"}, [&] { order += "holder "; });
  auto go_on = [&](Turns::Turn& turn) {
    order += "first ";
    turn.go_on_with("clone", [&](Turns::Turn&) { order += "second "; });
  };
  manual.turns.run({"name"}, Lane::quick, go_on);
  manual.run({"name"}, [&] { order += "later"; });
  manual.started.push_back(std::move(manual.started.front()));  // the holder's job takes its time
  manual.started.pop_front();
  while (!manual.started.empty()) manual.run_next();
  BOOST_TEST(order == "first holder second later");
  BOOST_TEST(manual.turns.idle());
}

BOOST_AUTO_TEST_CASE(many_jobs_with_random_keys_never_meet_and_all_end) {
  constexpr int kJobs = 20000;
  std::array<std::atomic<int>, 6> inside{};
  std::atomic<int> met{0};
  std::atomic<int> done{0};
  boost::asio::thread_pool pool(8);
  Turns turns([&](Lane, std::function<void()> job) { boost::asio::post(pool, std::move(job)); });
  std::minstd_rand random(7);
  for (int i = 0; i < kJobs; ++i) {
    std::vector<std::size_t> mine = {random() % 6, random() % 6};
    if (mine[0] == mine[1]) mine.pop_back();
    std::vector<std::string> keys;
    for (auto key : mine) keys.push_back(std::to_string(key));
    turns.run(keys, Lane::quick, [&inside, &met, &done, mine](Turns::Turn&) {
      for (auto key : mine) met += inside.at(key)++ != 0 ? 1 : 0;
      std::this_thread::yield();
      for (auto key : mine) --inside.at(key);
      ++done;
    });
  }
  pool.join();
  BOOST_TEST(met == 0);
  BOOST_TEST(done == kJobs);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::volume
