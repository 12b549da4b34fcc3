// SPDX-License-Identifier: Apache-2.0
// How the server speaks HTTP: requests, replies and limits.
#include "api/server.hpp"

#include "server_fixture.hpp"

#include <boost/test/unit_test.hpp>

using namespace snapclone::api;
using namespace snapclone::api::test;
using namespace std::string_literals;

BOOST_FIXTURE_TEST_SUITE(server, Fixture)

BOOST_AUTO_TEST_CASE(a_post_reaches_the_handler_and_its_reply_the_client) {
  start();
  HttpReply const reply = client().ask(post("/VolumeDriver.Get", "{\"Name\":\"a\"}\n"));
  BOOST_TEST(reply.status == 200U);
  BOOST_TEST(reply.body == "/VolumeDriver.Get {\"Name\":\"a\"}\n");
  BOOST_TEST(reply.header.find("Content-Type: application/vnd.docker.plugins.v1.1+json\r\n") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_status_is_the_handlers) {
  start([](std::string const&, std::string const&, Respond const& respond) {
    respond({500, "{\"Err\":\"no\"}"});
  });
  HttpReply const reply = client().ask(post("/x", ""));
  BOOST_TEST(reply.status == 500U);
  BOOST_TEST(reply.body == "{\"Err\":\"no\"}");
}

BOOST_AUTO_TEST_CASE(a_reply_can_come_from_another_thread) {
  Held held;
  start(held.handler());
  Client one = client();
  one.send(post("/x", ""));
  Respond const respond = held.next();
  std::thread([&] { respond({200, "from afar"}); }).join();
  BOOST_TEST(one.receive().body == "from afar");
}

BOOST_AUTO_TEST_CASE(a_reply_may_hang_up_instead) {
  start([](std::string const&, std::string const&, Respond const& respond) {
    respond({.hang_up = true});
  });
  Client one = client();
  one.send(post("/x", ""));
  BOOST_TEST(one.is_closed());
}

BOOST_AUTO_TEST_CASE(the_target_reaches_the_handler_unchanged) {
  start();
  BOOST_TEST(client().ask(post("/a/../b?c=%2f", "")).body == "/a/../b?c=%2f ");
  BOOST_TEST(client().ask(post("http://d/x", "")).body == "http://d/x ");
}

BOOST_AUTO_TEST_CASE(an_empty_body_reaches_the_handler) {
  start();
  BOOST_TEST(client().ask(post("/x", "")).body == "/x ");
  BOOST_TEST(client().ask("POST /y HTTP/1.1\r\nHost: a\r\n\r\n").body == "/y ");
}

BOOST_AUTO_TEST_CASE(an_empty_host_is_accepted) {
  start();
  BOOST_TEST(client().ask("POST /x HTTP/1.1\r\nHost: \r\nContent-Length: 2\r\n\r\n{}").body ==
             "/x {}");
}

BOOST_AUTO_TEST_CASE(http_1_0_is_answered_and_closed) {
  start();
  Client one = client();
  HttpReply const reply = one.ask("POST /x HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}");
  BOOST_TEST(reply.body == "/x {}");
  BOOST_TEST(reply.header.starts_with("HTTP/1.0 200 "));
  BOOST_TEST(one.is_closed());
}

BOOST_AUTO_TEST_CASE(a_client_that_asks_to_close_is_answered_and_closed) {
  start();
  Client one = client();
  BOOST_TEST(one.ask(post("/x", "", "Connection: close\r\n")).status == 200U);
  BOOST_TEST(one.is_closed());
}

BOOST_AUTO_TEST_CASE(a_chunked_body_is_put_together) {
  start();
  HttpReply const reply = client().ask(
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  BOOST_TEST(reply.body == "/x abcde");
}

BOOST_AUTO_TEST_CASE(a_connection_serves_many_requests) {
  start();
  Client one = client();
  for (int i = 0; i < 100; ++i) {
    std::string const body = std::to_string(i);
    BOOST_TEST(one.ask(post("/x", body)).body == "/x " + body);
  }
  BOOST_TEST(has_connections(1));
}

BOOST_AUTO_TEST_CASE(pipelined_requests_are_answered_in_order) {
  start();
  Client one = client();
  one.send(post("/1", "a") + post("/2", "") + post("/3", "c"));
  BOOST_TEST(one.receive().body == "/1 a");
  BOOST_TEST(one.receive().body == "/2 ");
  BOOST_TEST(one.receive().body == "/3 c");
}

BOOST_AUTO_TEST_CASE(a_request_that_comes_in_single_bytes_is_served) {
  start();
  Client one = client();
  for (char const byte : post("/x", "abc")) one.send({&byte, 1});
  BOOST_TEST(one.receive().body == "/x abc");
}

BOOST_AUTO_TEST_CASE(a_large_reply_arrives_whole) {
  std::string const large(5'000'000, 'v');
  start([&](std::string const&, std::string const&, Respond const& respond) {
    respond({200, large});
  });
  BOOST_TEST((client().ask(post("/x", "")).body == large));
}

BOOST_AUTO_TEST_CASE(many_parallel_clients_get_their_own_answers) {
  start([](std::string const& target, std::string const& body, Respond const& respond) {
    std::thread([=] { echo(target, body, respond); }).detach();
  });
  std::atomic<int> right = 0;
  std::vector<std::thread> clients;
  for (int number = 0; number < 64; ++number) {
    clients.emplace_back([&right, number, this] {
      Client one = client();
      for (int i = 0; i < 25; ++i) {
        std::string const body = std::to_string(number) + "/" + std::to_string(i);
        if (one.ask(post("/x", body)).body == "/x " + body) ++right;
      }
    });
  }
  for (std::thread& each : clients) each.join();
  BOOST_TEST(right == 64 * 25);
}

BOOST_AUTO_TEST_CASE(other_methods_are_refused) {
  start();
  for (std::string const method : {"GET", "PUT", "DELETE", "BREW"}) {
    BOOST_TEST_CONTEXT(method) {
      Client one = client();
      HttpReply const reply = one.ask(method + " /x HTTP/1.1\r\nHost: a\r\n\r\n");
      BOOST_TEST(reply.status == 405U);
      BOOST_TEST(reply.body == "{\"Err\":\"only POST is served here, not " + method + "\"}");
      BOOST_TEST(one.is_closed());
    }
  }
}

BOOST_AUTO_TEST_CASE(malformed_http_is_answered_with_400_and_closed) {
  std::atomic<int> handled = 0;
  start([&](std::string const& target, std::string const& body, Respond const& respond) {
    ++handled;
    echo(target, body, respond);
  });
  std::string const head = "POST /x HTTP/1.1\r\nHost: a\r\n";
  std::pair<char const*, std::string> const inputs[] = {
      {"negative length", head + "Content-Length: -1\r\n\r\n"},
      {"length with letters", head + "Content-Length: 5x\r\n\r\n12345"},
      {"length too large for any number", head + "Content-Length: 99999999999999999999\r\n\r\n"},
      {"two lengths", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n12"},
      {"both length and chunks",
       head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"bad chunk size", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"},
      {"header without colon", head + "Nonsense\r\n\r\n"},
      {"NUL in a header", head + "A: b\0c\r\n\r\n"s},
      {"bare line feeds", "POST /x HTTP/1.1\nHost: a\n\n"},
      {"garbage", "\x01\x02\x03 garbage\r\n\r\n"},
      {"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"HTTP/2 version", "POST /x HTTP/2.0\r\nHost: a\r\n\r\n"}};
  for (auto const& [name, input] : inputs) {
    BOOST_TEST_CONTEXT(name) {
      Client one = client();
      HttpReply const reply = one.ask(input);
      BOOST_TEST(reply.status == 400U);
      BOOST_TEST(reply.body.starts_with("{\"Err\":\"the request cannot be read: "));
      BOOST_TEST(one.is_closed());
    }
  }
  BOOST_TEST(handled == 0);
}

BOOST_AUTO_TEST_CASE(a_request_cut_off_by_its_client_never_reaches_the_handler) {
  Held held;
  start(held.handler());
  Client one = client();
  one.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  one.finish_sending();
  BOOST_TEST(one.receive().status == 400U);
  BOOST_TEST(one.is_closed());
}

BOOST_AUTO_TEST_CASE(a_header_over_the_limit_is_answered_with_431) {
  start();
  Client one = client();
  BOOST_TEST(one.ask(post("/x", "", "A: " + std::string(20'000, 'a') + "\r\n")).status == 431U);
  BOOST_TEST(one.is_closed());
}

BOOST_AUTO_TEST_CASE(a_header_without_end_is_answered_with_431) {
  start();
  Client one = client();
  BOOST_TEST(one.ask("POST /x HTTP/1.1\r\nA: " + std::string(20'000, 'a')).status == 431U);
}

BOOST_AUTO_TEST_CASE(a_header_below_the_limit_is_accepted) {
  start();
  std::string const header = "A: " + std::string(7'000, 'a') + "\r\n";
  BOOST_TEST(client().ask(post("/x", "b", header)).body == "/x b");
}

BOOST_AUTO_TEST_CASE(a_body_of_exactly_the_limit_is_accepted) {
  start();
  std::string const body(Limits{}.body_bytes, 'b');
  BOOST_TEST((client().ask(post("/x", body)).body == "/x " + body));
}

BOOST_AUTO_TEST_CASE(a_body_over_the_limit_is_answered_with_413) {
  start();
  for (std::size_t const size : {Limits{}.body_bytes + 1, std::uint64_t{3'000'000}}) {
    Client one = client();
    HttpReply const reply = one.ask(post("/x", std::string(size, 'b')));
    BOOST_TEST(reply.status == 413U);
    BOOST_TEST(reply.header.find("Connection: close\r\n") != std::string::npos);
    BOOST_TEST(one.is_closed());
  }
}

BOOST_AUTO_TEST_CASE(a_chunked_body_over_the_limit_is_answered_with_413) {
  start(echo, {.body_bytes = 100});
  std::string const chunk = "32\r\n" + std::string(0x32, 'b') + "\r\n";
  Client one = client();
  one.send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  one.send(chunk + chunk + chunk + "0\r\n\r\n");
  BOOST_TEST(one.receive().status == 413U);
  BOOST_TEST(one.is_closed());
}

BOOST_AUTO_TEST_CASE(a_client_that_sends_half_a_header_is_disconnected_in_time) {
  start(echo, {.request_time = 200ms});
  Client one = client();
  one.send("POST /x HTTP/1.1\r\nHo");
  BOOST_TEST(one.is_closed());
  BOOST_TEST(has_report("timeout"));
}

BOOST_AUTO_TEST_CASE(a_client_that_sends_half_a_body_is_disconnected_in_time) {
  start(echo, {.request_time = 200ms});
  Client one = client();
  one.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  BOOST_TEST(one.is_closed());
}

BOOST_AUTO_TEST_CASE(a_client_that_trickles_is_disconnected_in_time) {
  start(echo, {.request_time = 300ms});
  Client one = client();
  one.send("POST /x HTTP/1.1\r\n");
  bool const cut = eventually([&] {
    one.send("A: b\r\n");
    std::this_thread::sleep_for(20ms);
    return on_io([&] { return server->connections(); }) == 0;
  });
  BOOST_TEST(cut);
  BOOST_TEST(has_report("timeout"));
}

BOOST_AUTO_TEST_CASE(an_idle_connection_is_kept) {
  start(echo, {.request_time = 50ms, .write_time = 50ms});
  Client one = client();
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(200ms);
    BOOST_TEST(one.ask(post("/x", "")).body == "/x ");
  }
}

BOOST_AUTO_TEST_CASE(a_slow_handler_does_not_make_the_next_request_fail) {
  Held held;
  start(held.handler(), {.request_time = 100ms, .write_time = 100ms});
  Client one = client();
  for (int i = 0; i < 2; ++i) {
    one.send(post("/x", ""));
    Respond const respond = held.next();
    std::this_thread::sleep_for(300ms);
    respond({200, std::to_string(i)});
    BOOST_TEST(one.receive().body == std::to_string(i));
  }
}

BOOST_AUTO_TEST_CASE(a_client_that_does_not_read_its_answer_is_disconnected_in_time) {
  std::atomic<int> undelivered = 0;
  start(
      [&](std::string const&, std::string const&, Respond const& respond) {
        respond({.body = std::string(8'000'000, 'v'), .undelivered = [&] { ++undelivered; }});
      },
      {.write_time = 200ms});
  Client one = client();
  one.send(post("/x", ""));
  BOOST_TEST(eventually([&] { return undelivered == 1; }));
  BOOST_TEST(has_connections(0));
}

BOOST_AUTO_TEST_SUITE_END()
