// SPDX-License-Identifier: Apache-2.0
#include "kit/meanwhile.hpp"
#include "server_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <set>

#include <sys/resource.h>

namespace snapclone::api::test {
namespace {

std::string umask_of_the_process() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Umask:", 0) == 0) return line;
  }
  return "";
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(server_failure, Fixture)

BOOST_AUTO_TEST_CASE(a_start_leaves_the_umask_alone_which_other_threads_have_as_well) {
  std::string const before = umask_of_the_process();
  std::set<std::string> seen;
  {
    Meanwhile look([&] { seen.insert(umask_of_the_process()); });
    for (int round = 0; round < 2000; ++round) {
      Server once(io, path, echo);
      once.start();
    }
  }
  BOOST_TEST(seen == std::set<std::string>{before}, boost::test_tools::per_element());
}

// Here it is the report of a connection that cannot be accepted that fails.
BOOST_AUTO_TEST_CASE(when_no_more_connections_can_be_accepted_that_is_told_once_and_run_goes_on) {
  std::atomic<int> told{0};
  std::string sentence;
  auto const report = [](std::string const&) { throw std::runtime_error("no memory"); };
  auto const on_failure = [&](std::string why) {
    sentence = std::move(why);
    ++told;
  };
  server = std::make_unique<Server>(io, path, echo, Limits{}, report, on_failure);
  server->start();
  Client const waiting(path);
  rlimit usual{};
  getrlimit(RLIMIT_NOFILE, &usual);
  rlimit none = usual;
  none.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &none);
  thread = std::thread([this] { io.run(); });
  BOOST_TEST(eventually([&] { return told == 1; }));
  setrlimit(RLIMIT_NOFILE, &usual);
  BOOST_TEST(sentence == "cannot accept connections any more: no memory");
  BOOST_TEST(!std::filesystem::exists(path));
  BOOST_TEST(on_io([] { return true; }));
}

BOOST_AUTO_TEST_CASE(a_broken_session_whose_report_fails_does_not_end_run) {
  std::atomic<int> told{0};
  auto const handler = [](std::string const&, std::string const&, Respond const&) {
    throw std::runtime_error("broken");
  };
  auto const report = [](std::string const&) { throw std::runtime_error("no memory"); };
  server = std::make_unique<Server>(io, path, handler, Limits{}, report,
                                    [&](std::string const&) { ++told; });
  server->start();
  thread = std::thread([this] { io.run(); });
  client().send(post("/x", ""));
  BOOST_TEST(eventually([&] { return told == 1; }));
  BOOST_TEST(on_io([] { return true; }));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::api::test
