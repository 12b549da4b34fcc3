// SPDX-License-Identifier: Apache-2.0
// How the server and its connections begin and end, and who learns of it.
#include "api/server.hpp"
#include "server_fixture.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/test/unit_test.hpp>

#include <fstream>

#include <sys/resource.h>
#include <sys/stat.h>

using namespace snapclone::api;
using namespace snapclone::api::test;

namespace {

// The sentence that start() refuses this path with, or "".
std::string refusal_of(Fixture& fixture, std::string const& path) {
  Server server(fixture.io, path, echo);
  try {
    server.start();
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

// Lets no file be opened in this process while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &usual_);
    int const lowest_free = dup(0);
    close(lowest_free);
    rlimit const none{static_cast<rlim_t>(lowest_free), usual_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &usual_); }
  NoDescriptors(NoDescriptors const&) = delete;
  NoDescriptors& operator=(NoDescriptors const&) = delete;

 private:
  rlimit usual_{};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(server_lifecycle, Fixture)

BOOST_AUTO_TEST_CASE(a_connection_without_a_request_is_silent) {
  start();
  client().close();
  Client other = client();
  BOOST_TEST(other.ask(post("/x", "")).status == 200U);
  BOOST_TEST(has_connections(1));
  BOOST_TEST(on_io([&] { return reports; }) == "");
}

BOOST_AUTO_TEST_CASE(a_slow_request_does_not_hold_up_another) {
  Held held;
  start(held.handler());
  Client slow = client();
  Client quick = client();
  slow.send(post("/slow", ""));
  Respond const respond_slow = held.next();
  quick.send(post("/quick", ""));
  held.next()({200, "quick"});
  BOOST_TEST(quick.receive().body == "quick");
  respond_slow({200, "slow"});
  BOOST_TEST(slow.receive().body == "slow");
}

BOOST_AUTO_TEST_CASE(a_handler_that_throws_ends_its_connection_only) {
  start([](std::string const& target, std::string const& body, Respond const& respond) {
    if (target == "/bad") throw std::runtime_error("the handler failed");
    echo(target, body, respond);
  });
  Client bad = client();
  Client good = client();
  bad.send(post("/bad", ""));
  BOOST_TEST(bad.is_closed());
  BOOST_TEST(good.ask(post("/good", "")).status == 200U);
  BOOST_TEST(has_report("the handler failed"));
}

BOOST_AUTO_TEST_CASE(a_reply_whose_client_has_gone_is_undelivered_once) {
  Held held;
  std::atomic<int> undelivered = 0;
  start(held.handler());
  Client one = client();
  one.send(post("/x", ""));
  Respond const respond = held.next();
  one.close();
  respond({.body = "late", .undelivered = [&] { ++undelivered; }});
  BOOST_TEST(has_connections(0));
  BOOST_TEST(undelivered == 1);
}

BOOST_AUTO_TEST_CASE(undelivered_is_called_on_the_io_thread) {
  Held held;
  std::promise<std::thread::id> caller;
  start(held.handler());
  Client one = client();
  one.send(post("/x", ""));
  Respond const respond = held.next();
  one.close();
  respond({200, "late", false, [&] { caller.set_value(std::this_thread::get_id()); }});
  BOOST_TEST((result_of(caller.get_future()) == thread.get_id()));
}

BOOST_AUTO_TEST_CASE(a_delivered_reply_is_not_undelivered) {
  std::atomic<int> undelivered = 0;
  start([&](std::string const&, std::string const&, Respond const& respond) {
    respond({.body = "here", .undelivered = [&] { ++undelivered; }});
  });
  Client one = client();
  BOOST_TEST(one.ask(post("/x", "")).body == "here");
  one.close();
  BOOST_TEST(has_connections(0));
  BOOST_TEST(undelivered == 0);
}

BOOST_AUTO_TEST_CASE(a_reply_that_its_client_did_not_read_is_undelivered) {
  std::atomic<int> undelivered = 0;
  start([&](std::string const&, std::string const&, Respond const& respond) {
    respond({.body = "there", .undelivered = [&] { ++undelivered; }});
  });
  Client one = client();
  one.send(post("/x", ""));
  BOOST_TEST(!one.is_silent(kPatience));
  one.close();
  BOOST_TEST(has_connections(0));
  BOOST_TEST(undelivered == 1);
}

BOOST_AUTO_TEST_CASE(a_client_that_has_only_finished_sending_is_answered) {
  Held held;
  std::atomic<int> undelivered = 0;
  start(held.handler());
  Client one = client();
  one.send(post("/x", ""));
  one.finish_sending();
  held.next()({.body = "still here", .undelivered = [&] { ++undelivered; }});
  BOOST_TEST(one.receive().body == "still here");
  BOOST_TEST(one.is_closed());
  BOOST_TEST(undelivered == 0);
}

BOOST_AUTO_TEST_CASE(a_connection_over_the_limit_waits_until_another_ends) {
  start(echo, {.connections = 2});
  Client first = client();
  Client second = client();
  BOOST_TEST(has_connections(2));
  Client third = client();
  third.send(post("/x", "third"));
  BOOST_TEST(third.is_silent());
  first.close();
  BOOST_TEST(third.receive().body == "/x third");
  BOOST_TEST(second.ask(post("/x", "second")).body == "/x second");
}

BOOST_AUTO_TEST_CASE(a_connection_waits_while_there_are_no_descriptors) {
  start();
  Client one;
  {
    NoDescriptors const none;
    one.dial(path);
    one.send(post("/x", "patient"));
    BOOST_TEST(has_report("cannot accept connections for now"));
  }
  BOOST_TEST(one.receive().body == "/x patient");
}

BOOST_AUTO_TEST_CASE(draining_answers_what_is_running_and_says_that_it_closes) {
  Held held;
  start(held.handler());
  Client one = client();
  one.send(post("/x", ""));
  Respond const respond = held.next();
  std::future<void> drained = drain();
  BOOST_TEST((drained.wait_for(blink) == std::future_status::timeout));
  respond({200, "the last one"});
  HttpReply const reply = one.receive();
  BOOST_TEST(reply.body == "the last one");
  BOOST_TEST(reply.header.find("Connection: close\r\n") != std::string::npos);
  BOOST_TEST(one.is_closed());
  result_of(std::move(drained));
}

BOOST_AUTO_TEST_CASE(draining_lets_a_request_that_has_begun_finish) {
  start();
  Client one = client();
  std::string const request = post("/x", "second half");
  one.send(request.substr(0, 30));
  BOOST_TEST(has_connections(1));
  on_io([] {});
  std::future<void> drained = drain();
  one.send(request.substr(30));
  BOOST_TEST(one.receive().body == "/x second half");
  result_of(std::move(drained));
}

BOOST_AUTO_TEST_CASE(draining_serves_a_request_that_came_just_before) {
  start();
  Client one = client();
  BOOST_TEST(has_connections(1));
  std::promise<void> drained;
  on_io([&] {  // the session learns of the request only after the drain
    one.send(post("/x", "just in time"));
    server->drain([&] { drained.set_value(); });
  });
  BOOST_TEST(one.receive().body == "/x just in time");
  result_of(drained.get_future());
}

BOOST_AUTO_TEST_CASE(draining_closes_idle_connections) {
  start();
  Client fresh = client();
  Client used = client();
  BOOST_TEST(used.ask(post("/x", "")).status == 200U);
  BOOST_TEST(has_connections(2));
  result_of(drain());
  BOOST_TEST(fresh.is_closed());
  BOOST_TEST(used.is_closed());
}

BOOST_AUTO_TEST_CASE(draining_removes_the_socket_at_once) {
  Held held;
  start(held.handler());
  Client one = client();
  one.send(post("/x", ""));
  Respond const respond = held.next();
  drain();
  BOOST_TEST(!std::filesystem::exists(path));
  respond({});
}

BOOST_AUTO_TEST_CASE(draining_calls_done_once) {
  start();
  std::atomic<int> done = 0;
  on_io([&] {
    server->drain([&] { ++done; });
    server->drain([&] { ++done; });
  });
  BOOST_TEST(eventually([&] { return done == 1; }));
  std::this_thread::sleep_for(blink);
  BOOST_TEST(done == 1);
}

BOOST_AUTO_TEST_CASE(a_server_that_never_started_can_be_drained) {
  server = std::make_unique<Server>(io, path, echo);
  bool done = false;
  server->drain([&] { done = true; });
  BOOST_TEST(!done);
  io.poll();
  BOOST_TEST(done);
}

BOOST_AUTO_TEST_CASE(a_server_destroyed_while_a_handler_runs_leaves_the_reply_undelivered) {
  Held held;
  std::atomic<int> undelivered = 0;
  start(held.handler());
  Client one = client();
  Client idle = client();
  one.send(post("/x", ""));
  Respond const respond = held.next();
  on_io([&] { server.reset(); });
  BOOST_TEST(one.is_closed());
  BOOST_TEST(idle.is_closed());
  BOOST_TEST(!std::filesystem::exists(path));
  respond({.body = "too late", .undelivered = [&] { ++undelivered; }});
  BOOST_TEST(eventually([&] { return undelivered == 1; }));
}

BOOST_AUTO_TEST_CASE(a_reply_to_a_session_that_is_no_more_is_undelivered) {
  std::atomic<int> undelivered = 0;
  Respond kept;
  start([&](std::string const&, std::string const&, Respond respond) {
    kept = std::move(respond);
    throw std::runtime_error("after keeping it");
  });
  Client one = client();
  one.send(post("/x", ""));
  BOOST_TEST(has_report("after keeping it"));
  kept({.body = "", .undelivered = [&] { ++undelivered; }});
  BOOST_TEST(eventually([&] { return undelivered == 1; }));
}

BOOST_AUTO_TEST_CASE(the_socket_is_for_its_owner_only) {
  mode_t const usual = umask(0);
  start();
  struct stat status {};
  BOOST_TEST(stat(path.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0600U);
  BOOST_TEST(umask(usual) == 0U);
}

BOOST_AUTO_TEST_CASE(a_stale_socket_is_replaced) {
  {
    boost::asio::io_context other;
    Server dead(other, path, echo);
    dead.start();
    std::filesystem::create_hard_link(path, directory / "kept");
  }
  std::filesystem::rename(directory / "kept", path);
  BOOST_TEST(std::filesystem::is_socket(path));
  start();
  BOOST_TEST(client().ask(post("/x", "")).status == 200U);
}

BOOST_AUTO_TEST_CASE(a_socket_in_use_is_refused) {
  start();
  BOOST_TEST(refusal_of(*this, path) ==
             "cannot listen on \"" + path + "\": another process listens there");
  BOOST_TEST(client().ask(post("/x", "")).status == 200U);
}

BOOST_AUTO_TEST_CASE(a_socket_whose_owner_is_stuck_is_refused_without_waiting) {
  using boost::asio::local::stream_protocol;
  stream_protocol::acceptor stuck(io, stream_protocol::endpoint(path));
  stuck.listen(0);
  Client const first(path);  // fills the queue
  BOOST_TEST(refusal_of(*this, path).ends_with("another process listens there"));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_a_socket_is_refused_and_kept) {
  std::ofstream(path) << "precious";
  BOOST_TEST(refusal_of(*this, path) ==
             "cannot listen on \"" + path + "\": there is a file that is not a socket");
  BOOST_TEST(std::filesystem::file_size(path) == 8U);
}

BOOST_AUTO_TEST_CASE(a_missing_directory_is_refused) {
  std::string const missing = directory / "missing" / "s.sock";
  BOOST_TEST(refusal_of(*this, missing) ==
             "cannot listen on \"" + missing + "\": its directory does not exist");
}

BOOST_AUTO_TEST_CASE(a_path_too_long_for_a_socket_is_refused) {
  std::size_t const longest = sizeof(sockaddr_un::sun_path) - 1;
  std::string const name(longest - directory.string().size() - 1, 's');
  BOOST_TEST(refusal_of(*this, directory / name).empty());
  BOOST_TEST(refusal_of(*this, directory / (name + "s")).ends_with("must have 1 to 107 bytes"));
  BOOST_TEST(refusal_of(*this, "").ends_with("must have 1 to 107 bytes"));
}

BOOST_AUTO_TEST_SUITE_END()
