// SPDX-License-Identifier: Apache-2.0
#include "workers.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

namespace snapclone::test {

BOOST_AUTO_TEST_SUITE(workers)

BOOST_AUTO_TEST_CASE(their_end_waits_for_the_job_that_runs_and_drops_those_that_wait) {
  Workers workers(1);
  std::promise<void> running;
  std::atomic<bool> ended{false};
  std::atomic<bool> dropped_ran{false};
  workers.run([&] {
    running.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ended = true;
  });
  workers.run([&] { dropped_ran = true; });
  running.get_future().wait();
  workers.end();
  BOOST_TEST(ended);
  BOOST_TEST(!dropped_ran);
  workers.run([&] { dropped_ran = true; });  // nobody is there to run it
  BOOST_TEST(!dropped_ran);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
