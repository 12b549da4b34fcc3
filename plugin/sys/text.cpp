// SPDX-License-Identifier: Apache-2.0
#include "sys/text.hpp"

namespace snapclone::sys {
namespace {

constexpr std::size_t kLongestExcerpt = 80;  // bytes

// The length of the control character that the text begins with, in UTF-8; 0 if it is another.
std::size_t control_length(std::string_view text) {
  auto const byte = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) return 2;  // U+0080 to U+009F
  if (byte(0) != 0xe2) return 0;
  bool const line_or_direction =  // U+2028 to U+202E, U+2066 to U+2069
      (byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae) ||
      (byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9);
  return line_or_direction ? 3 : 0;
}

}  // namespace

std::string printable(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    std::size_t const control = control_length(text);
    if (control == 0) out += text.front();
    for (char c : text.substr(0, control)) {
      auto byte = static_cast<unsigned char>(c);
      out += std::string("\\x") + kHex[byte >> 4U] + kHex[byte & 15U];
    }
    text.remove_prefix(control == 0 ? 1 : control);
  }
  return out;
}

std::string excerpt(std::string_view text) {
  std::string start = printable(text.substr(0, kLongestExcerpt));
  return text.size() > kLongestExcerpt ? start + "..." : start;
}

std::string counted(std::size_t number, std::string_view noun) {
  return std::to_string(number) + " " + std::string(noun) + (number == 1 ? "" : "s");
}

std::string join(std::vector<std::string> const& items, std::string_view separator) {
  std::string joined;
  for (auto const& item : items) {
    if (!joined.empty()) joined += separator;
    joined += item;
  }
  return joined;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text, std::string_view units) {
  constexpr std::size_t kMostDigits = 18;  // of any that fit
  std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  std::string_view unit = text.substr(digits.size());
  if (digits.empty() || digits.size() > kMostDigits || unit.size() > 1) return std::nullopt;
  std::uint64_t bytes = 0;
  for (char digit : digits) bytes = bytes * 10 + static_cast<unsigned>(digit - '0');
  if (unit.empty()) return bytes;
  auto power = units.find(static_cast<char>(unit.front() | 0x20));
  if (power == std::string_view::npos) return std::nullopt;
  auto shift = 10 * (power + 1);
  if (bytes > ~std::uint64_t{0} >> shift) return std::nullopt;
  return bytes << shift;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  constexpr std::uint64_t kStep = 1024;
  if (bytes < kStep) return counted(bytes, "byte");
  std::size_t unit = 0;
  for (; bytes >= kStep * kStep && unit + 1 < std::size(kUnits); ++unit) bytes /= kStep;
  std::string number = std::to_string(bytes / kStep);
  std::uint64_t tenths = bytes % kStep * 10 / kStep;
  if (tenths != 0) number += "." + std::to_string(tenths);
  return number + " " + std::string(kUnits[unit]);
}

}  // namespace snapclone::sys
