// SPDX-License-Identifier: Apache-2.0
// What the server does with clients that mean no good, while others are served.
#include "server_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>

using namespace snapclone::api;
using namespace snapclone::api::test;
using namespace std::string_literals;

namespace {

std::string const head = "POST /x HTTP/1.1\r\nHost: a\r\n";
std::string const chunks = "2\r\n{}\r\n0\r\n\r\n";

// Refuses what cannot be read, and counts what it gets.
struct Attacked : Fixture {
  std::atomic<int> handled = 0;

  void serve(Limits limits = {}) {
    auto const count = [this](std::string const& target, std::string const& body,
                              Respond const& respond) {
      ++handled;
      echo(target, body, respond);
    };
    start(count, limits);
  }

  bool serves_others() const { return client().ask(post("/other", "x")).body == "/other x"; }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(server_attack, Attacked)

// Each is followed by a whole request, which must not be taken for one.
BOOST_AUTO_TEST_CASE(a_request_whose_end_is_in_doubt_is_refused_and_so_is_what_follows_it) {
  serve();
  std::pair<char const*, std::string> const forms[] = {
      {"two lengths that differ", head + "Content-Length: 0\r\nContent-Length: 2\r\n\r\n{}"},
      {"two lengths", head + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"},
      {"a list of lengths", head + "Content-Length: 2, 2\r\n\r\n{}"},
      {"a length with a sign", head + "Content-Length: +2\r\n\r\n{}"},
      {"a length in hexadecimal", head + "Content-Length: 0x2\r\n\r\n{}"},
      {"an empty length", head + "Content-Length: \r\n\r\n{}"},
      {"a blank before the colon", head + "Content-Length : 2\r\n\r\n{}"},
      {"length, then chunks",
       head + "Content-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks},
      {"chunks, then a length",
       head + "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n" + chunks},
      {"an encoding that is not ours", head + "Transfer-Encoding: gzip\r\n\r\n"},
      {"no encoding at all", head + "Transfer-Encoding: identity\r\n\r\n"},
      {"something like chunks", head + "Transfer-Encoding: xchunked\r\n\r\n"},
      {"chunks of something", head + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks},
      {"something of chunks", head + "Transfer-Encoding: chunked, gzip\r\n\r\n" + chunks},
      {"chunks of chunks", head + "Transfer-Encoding: chunked, chunked\r\n\r\n" + chunks},
      {"chunks twice",
       head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks},
      {"chunks or not",
       head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunks},
      {"chunks after an odd blank", head + "Transfer-Encoding: \vchunked\r\n\r\n" + chunks},
      {"chunks in HTTP/1.0",
       "POST /x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks},
      {"a chunk with a sign", head + "Transfer-Encoding: chunked\r\n\r\n+" + chunks},
      {"a chunk in C's hexadecimal", head + "Transfer-Encoding: chunked\r\n\r\n0x" + chunks},
      {"a chunk of negative size", head + "Transfer-Encoding: chunked\r\n\r\n-" + chunks},
      {"a chunk beyond all numbers",
       head + "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n"},
      {"a chunk longer than it says",
       head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n"},
      {"a length among the trailers",
       head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n"},
      {"a carriage return alone", head + "A: b\rContent-Length: 2\r\n\r\n{}"},
      {"a NUL in a name", head + "A\0: b\r\n\r\n"s},
      {"a NUL in the target", "POST /x\0y HTTP/1.1\r\n\r\n"s},
      {"line feeds alone", "POST /x HTTP/1.1\nHost: a\n\n"},
      {"two blanks", "POST  /x HTTP/1.1\r\n\r\n"},
      {"tabs", "POST\t/x\tHTTP/1.1\r\n\r\n"},
      {"HTTP/0.9", "POST /x\r\n"},
      {"HTTP/1.2", "POST /x HTTP/1.2\r\n\r\n"},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
      {"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s + std::string(600, '\0')}};
  for (auto const& [name, form] : forms) {
    BOOST_TEST_CONTEXT(name) {
      Client one = client();
      one.send(form + post("/hidden", "{}"));
      BOOST_TEST(one.receive().status == 400U);
      BOOST_TEST(one.is_closed());
    }
  }
  BOOST_TEST(handled == 0);
  BOOST_TEST(serves_others());
}

BOOST_AUTO_TEST_CASE(odd_forms_that_have_one_meaning_are_served) {
  serve();
  std::pair<char const*, std::string> const forms[] = {
      {"chunks in capitals", head + "Transfer-Encoding: Chunked\r\n\r\n" + chunks},
      {"a chunk with an extension",
       head + "Transfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\n{}\r\n0\r\n\r\n"},
      {"a chunk with zeros", head + "Transfer-Encoding: chunked\r\n\r\n0002\r\n{}\r\n0\r\n\r\n"},
      {"trailers", head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n"},
      {"blanks around the length", head + "Content-Length: \t 2 \r\n\r\n{}"},
      {"a folded line", head + "A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}"},
      {"bytes that are no text", head + "A: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}"},
      {"an offer to change the protocol",
       head + "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}"},
      {"another method in a header", post("/x", "{}", "X-HTTP-Method-Override: DELETE\r\n")}};
  for (auto const& [name, form] : forms) {
    BOOST_TEST_CONTEXT(name) {
      Client one = client();
      BOOST_TEST(one.ask(form).body == "/x {}");
      BOOST_TEST(one.ask(post("/next", "")).body == "/next ");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_request_in_a_body_is_only_a_body) {
  serve();
  Client one = client();
  BOOST_TEST(one.ask(post("/x", post("/hidden", ""))).body == "/x " + post("/hidden", ""));
  BOOST_TEST(one.is_silent());
  BOOST_TEST(handled == 1);
}

BOOST_AUTO_TEST_CASE(a_client_that_waits_to_go_on_is_told_to) {
  serve();
  Client one = client();
  one.send(head + "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  BOOST_TEST(one.receive().status == 100U);
  BOOST_TEST(one.ask("{}").body == "/x {}");
  // One that does not wait is not told, and one whose body is too large neither.
  BOOST_TEST(one.ask(post("/x", "{}", "Expect: 100-continue\r\n")).status == 200U);
  one.send(head + "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
  BOOST_TEST(one.receive().status == 413U);
}

BOOST_AUTO_TEST_CASE(what_the_limits_do_not_count_does_not_fill_the_memory_either) {
  serve();
  std::string const chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
  for (std::string const& start : {chunked + "2;", chunked + "2\r\n{}\r\n0\r\nA: "}) {
    Client one = client();
    one.send(start);
    for (int i = 0; i < 1000; ++i) one.send(std::string(1000, 'x'));
    BOOST_TEST(one.receive().status == 400U);
    BOOST_TEST(one.is_closed());
  }
  BOOST_TEST(handled == 0);
}

BOOST_AUTO_TEST_CASE(a_client_that_pipelines_and_never_reads_is_disconnected_in_time) {
  serve({.write_time = 300ms});
  Client one = client();
  std::string const request = post("/x", std::string(10'000, 'b'));
  for (int i = 0; i < 1000; ++i) one.send(request);
  BOOST_TEST(has_connections(0));
  BOOST_TEST(handled < 1000);
  BOOST_TEST(serves_others());
}

BOOST_AUTO_TEST_CASE(idle_connections_make_room_for_a_client_that_waits) {
  serve({.connections = 256, .request_time = 300ms});
  std::vector<Client> flood;
  for (int i = 0; i < 700; ++i) flood.push_back(client());
  BOOST_TEST(has_connections(256));
  BOOST_TEST(serves_others());
}

BOOST_AUTO_TEST_CASE(half_requests_make_room_for_a_client_that_waits) {
  serve({.connections = 64, .request_time = 300ms});
  std::vector<Client> flood;
  for (int i = 0; i < 200; ++i) {
    flood.push_back(client());
    flood.back().send(i % 2 == 0 ? head : head + "Content-Length: 9\r\n\r\n{");
  }
  BOOST_TEST(has_connections(64));
  BOOST_TEST(serves_others());
}

BOOST_AUTO_TEST_CASE(the_connection_that_has_been_idle_longest_makes_room_first) {
  serve({.connections = 3, .request_time = 300ms});
  Client old = client();
  Client used = client();
  Client older = client();
  BOOST_TEST(has_connections(3));
  std::this_thread::sleep_for(400ms);
  BOOST_TEST(old.ask(post("/x", "")).status == 200U);
  BOOST_TEST(used.ask(post("/x", "")).status == 200U);
  Client next = client();
  BOOST_TEST(next.ask(post("/x", "next")).body == "/x next");
  BOOST_TEST(older.is_closed());
  BOOST_TEST(old.ask(post("/x", "old")).body == "/x old");
  BOOST_TEST(used.ask(post("/x", "used")).body == "/x used");
}

BOOST_AUTO_TEST_CASE(a_connection_whose_request_is_running_never_makes_room) {
  Held held;
  start(held.handler(), {.connections = 2, .request_time = 100ms});
  Client one = client();
  Client two = client();
  one.send(post("/x", ""));
  two.send(post("/x", ""));
  Respond const first = held.next();
  Respond const second = held.next();
  Client third = client();
  third.send(post("/x", ""));
  std::this_thread::sleep_for(400ms);
  BOOST_TEST(third.is_silent());
  first({200, "first"});
  second({200, "second"});
  BOOST_TEST(one.receive().body == "first");
  BOOST_TEST(two.receive().body == "second");
  held.next()({200, "third"});
  BOOST_TEST(third.receive().body == "third");
}

BOOST_AUTO_TEST_CASE(clients_that_vanish_at_any_moment_leave_nothing) {
  std::atomic<int> given = 0;
  std::atomic<int> undelivered = 0;
  start([&](std::string const&, std::string const& body, Respond const& respond) {
    ++given;
    respond({.body = body, .undelivered = [&] { ++undelivered; }});
  });
  std::string const request = post("/x", std::string(20'000, 'b'));
  for (std::size_t size = 0; size <= request.size(); size += 1 + size / 8) {
    for (bool half : {false, true}) {
      Client one = client();
      one.send(std::string_view(request).substr(0, size));
      if (half) one.finish_sending();
      one.close();
    }
  }
  BOOST_TEST(has_connections(0));
  BOOST_TEST(undelivered <= given);
  BOOST_TEST(client().ask(post("/x", "still there")).body == "still there");
}

BOOST_AUTO_TEST_CASE(a_client_that_refuses_to_read_gets_its_reply_undelivered) {
  std::atomic<int> undelivered = 0;
  start([&](std::string const&, std::string const&, Respond const& respond) {
    respond({.body = "x", .undelivered = [&] { ++undelivered; }});
  });
  Client one = client();
  one.refuse_to_read();
  one.send(post("/x", ""));
  BOOST_TEST(eventually([&] { return undelivered == 1; }));
  BOOST_TEST(has_connections(0));
}

BOOST_AUTO_TEST_CASE(requests_that_nobody_waits_for_keep_nobody_out_and_are_not_endless) {
  Held held;
  auto const handler = [&, keep = held.handler()](auto target, auto body, Respond respond) {
    if (target == "/quick") return respond({200, "here"});
    ++handled;
    keep(std::move(target), std::move(body), std::move(respond));
  };
  start(handler, {.connections = 3});
  auto const ask_and_leave = [&] { client().send(post("/slow", "")); };
  for (int i = 0; i < 3; ++i) ask_and_leave();
  BOOST_TEST(client().ask(post("/quick", "")).body == "here");
  for (int i = 0; i < 4; ++i) ask_and_leave();
  BOOST_TEST(eventually([&] { return handled == 6; }));
  Client late = client();
  late.send(post("/quick", ""));
  BOOST_TEST(late.is_silent());
  BOOST_TEST(handled == 6);
  std::atomic<int> undelivered = 0;
  for (int i = 0; i < 7; ++i) held.next()({.undelivered = [&] { ++undelivered; }});
  BOOST_TEST(late.receive().body == "here");
  BOOST_TEST(eventually([&] { return undelivered == 7; }));
}

BOOST_AUTO_TEST_CASE(a_client_that_has_only_finished_sending_still_takes_its_connection) {
  Held held;
  start(held.handler(), {.connections = 1});
  Client one = client();
  one.send(post("/x", ""));
  one.finish_sending();
  Respond respond = held.next();
  Client two = client();
  two.send(post("/x", ""));
  BOOST_TEST(two.is_silent(3 * blink));
  BOOST_TEST(on_io([&] { return server->connections(); }) == 1U);
  respond({200, "answer"});
  BOOST_TEST(one.receive().body == "answer");
  held.next()({200, "answer"});
  BOOST_TEST(two.receive().body == "answer");
}

// Whatever comes, an answer is one of these, the connection ends when its client has finished, and
// nobody else notices. The same requests every time.
BOOST_AUTO_TEST_CASE(two_thousand_mangled_requests_are_answered_or_refused) {
  serve();
  std::mt19937 random(1);  // NOLINT: the same every time
  std::string const seeds[] = {
      post("/VolumeDriver.Create", R"({"Name":"db","Opts":{"target":"/x"}})"),
      head + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\nA: b\r\n\r\n",
      post("/1", "a", "Expect: 100-continue\r\n") + post("/2", "b", "Connection: close\r\n")};
  auto const below = [&](std::size_t limit) { return random() % limit; };
  constexpr unsigned answers[] = {100, 200, 400, 405, 413, 431};
  constexpr std::string_view pieces[] = {
      "\r\n", "\n", "0", "Content-Length: 1\r\n", "chunked", ":", " ", "\x7f", "HTTP/1.0", ";"};
  for (int i = 0; i < 2000; ++i) {
    std::string request = seeds[below(3)];
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
      std::size_t const at = below(request.size());
      switch (below(4)) {
        case 0:
          request[at] = static_cast<char>(random());
          break;
        case 1:
          request.erase(at, 1 + below(8));
          break;
        case 2:
          request.insert(at, pieces[below(std::size(pieces))]);
          break;
        default:
          request.insert(at, request.substr(below(request.size()), below(40)));
          break;
      }
      if (request.empty()) request = "x";
    }
    Client one = client();
    one.send(request);
    one.finish_sending();
    for (unsigned status = 0; (status = one.receive().status) != 0;) {
      bool const known = std::ranges::count(answers, status) == 1;
      BOOST_TEST_REQUIRE(known, "the answer to this is " << status << ":\n" << request);
    }
  }
  BOOST_TEST(serves_others());
  BOOST_TEST(has_connections(0));
}

BOOST_AUTO_TEST_SUITE_END()
