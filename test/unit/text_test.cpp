// SPDX-License-Identifier: Apache-2.0
#include "sys/text.hpp"

#include "api/protocol.hpp"
#include "kit/errors_of.hpp"
#include "sys/log.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <optional>
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

BOOST_AUTO_TEST_CASE(a_number_of_bytes_may_have_a_unit_of_those_that_exist) {
  BOOST_TEST((parse_bytes("0", "kmgt") == 0U));
  BOOST_TEST((parse_bytes("4096", "kmgt") == 4096U));
  BOOST_TEST((parse_bytes("7k", "kmgt") == 7168U));
  BOOST_TEST((parse_bytes("7K", "kmgt") == 7168U));
  BOOST_TEST((parse_bytes("1m", "kmgt") == std::uint64_t{1} << 20U));
  BOOST_TEST((parse_bytes("1g", "kmgt") == std::uint64_t{1} << 30U));
  BOOST_TEST((parse_bytes("16777215T", "kmgt") == std::uint64_t{16777215} << 40U));
  BOOST_TEST((parse_bytes("1g", "km") == std::nullopt));
}

BOOST_AUTO_TEST_CASE(no_other_text_is_a_number_of_bytes) {
  for (auto const& text :
       {""s, "g"s, "1gg"s, "1 g"s, " 1"s, "-1"s, "+1"s, "0x10"s, "1.5g"s, "1e3"s, "1\0"s, "1\x0b"s,
        "1x"s, "16777216t"s, "18446744073709551616"s, "99999999999999999999999999"s}) {
    BOOST_TEST((parse_bytes(text, "kmgt") == std::nullopt), text);
  }
}

BOOST_AUTO_TEST_CASE(bytes_are_told_in_the_largest_unit_that_fits_rounded_down) {
  BOOST_TEST(bytes_text(0) == "0 bytes");
  BOOST_TEST(bytes_text(1) == "1 byte");
  BOOST_TEST(bytes_text(1023) == "1023 bytes");
  BOOST_TEST(bytes_text(1024) == "1 KiB");
  BOOST_TEST(bytes_text(1536) == "1.5 KiB");
  BOOST_TEST(bytes_text((1U << 20U) - 1) == "1023.9 KiB");
  BOOST_TEST(bytes_text(1U << 20U) == "1 MiB");
  BOOST_TEST(bytes_text(std::uint64_t{64} << 30U) == "64 GiB");
  BOOST_TEST(bytes_text(std::uint64_t{16383} << 30U) == "15.9 TiB");
  BOOST_TEST(bytes_text(~std::uint64_t{0}) == "16777215.9 TiB");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::sys
