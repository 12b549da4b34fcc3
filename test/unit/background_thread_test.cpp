// SPDX-License-Identifier: Apache-2.0
#include "sys/background_thread.hpp"

#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"
#include "sys/error.hpp"

#include <boost/test/unit_test.hpp>

#include <future>
#include <string>

#include <sys/resource.h>
#include <unistd.h>

namespace snapclone::test {

BOOST_AUTO_TEST_SUITE(background_thread)

BOOST_AUTO_TEST_CASE(it_works_at_a_niceness_of_its_own_until_it_is_destroyed) {
  std::promise<int> niceness;
  bool stopped = false;
  {
    sys::BackgroundThread thread(7, [&](std::stop_token const& stop) {
      niceness.set_value(getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())));
      while (!stop.stop_requested()) usleep(1000);
      stopped = true;
    });
    BOOST_TEST(niceness.get_future().get() == 7);
  }
  BOOST_TEST(stopped);
  BOOST_TEST(getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())) == 0);
}

BOOST_AUTO_TEST_CASE(where_no_thread_can_be_started_a_sentence_says_so) {
  std::string sentence;
  in_a_thread([&] {
    fail_calls({{"clone", EAGAIN}, {"clone3", EAGAIN}});
    try {
      sys::BackgroundThread thread(7, [](std::stop_token const&) {});
    } catch (sys::Error const& error) {
      sentence = error.what();
    }
  });
  BOOST_TEST(sentence == "cannot start a background thread: Resource temporarily unavailable");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
