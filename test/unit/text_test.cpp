// SPDX-License-Identifier: Apache-2.0
#include "sys/text.hpp"

#include "api/protocol.hpp"
#include "kit/errors_of.hpp"
#include "sys/log.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace snapclone::sys {
namespace {

using namespace std::string_literals;

}  // namespace

BOOST_AUTO_TEST_SUITE(text)

BOOST_AUTO_TEST_CASE(what_a_terminal_would_act_on_is_written_out) {
  BOOST_TEST(printable("a\nb\x1b[2J\x7f\0"s) == "a\\x0ab\\x1b[2J\\x7f\\x00");
  BOOST_TEST(printable("\u009b31m") == "\\xc2\\x9b31m");
  BOOST_TEST(printable("\u202egnp.exe") == "\\xe2\\x80\\xaegnp.exe");
  BOOST_TEST(printable("\u2066") == "\\xe2\\x81\\xa6");
}

BOOST_AUTO_TEST_CASE(all_other_text_stays) {
  for (auto const& text : {""s, "plain \\ \""s, "Grüße €😀"s, "\xff\xc2"s, "\xe2"s, "\xe2\x80"s}) {
    BOOST_TEST(printable(text) == text);
  }
}

BOOST_AUTO_TEST_CASE(a_line_of_the_log_stays_one_line) {
  std::string written =
      test::errors_of([] { log_error("cannot open a\nlevel=info msg=forged\x1b]0;x"); });
  BOOST_TEST(written == "error: cannot open a\\x0alevel=info msg=forged\\x1b]0;x\n");
}

BOOST_AUTO_TEST_CASE(an_error_reply_does_nothing_to_a_terminal) {
  BOOST_TEST(api::encode_error("a\n\x1b") == R"({"Err":"a\\x0a\\x1b"})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::sys
