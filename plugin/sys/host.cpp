// SPDX-License-Identifier: Apache-2.0
#include "sys/host.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include <sys/random.h>
#include <time.h>

namespace snapclone::sys {

std::string boot_id() {
  std::string id = read_file("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

std::string random_id() {
  std::array<std::uint8_t, 8> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    fail("read random bytes from", "getrandom");
  }
  std::string id;
  for (auto byte : bytes) id += "abcdefghijklmnopqrstuvwxyz234567"[byte & 31U];
  return id;
}

std::string now_rfc3339() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  std::array<char, 64> text{};
  std::size_t length = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text.data() + length, text.size() - length, ".%09ldZ", now.tv_nsec);
  return text.data();
}

std::int64_t seconds_since(std::string const& rfc3339) {
  tm utc{};
  if (strptime(rfc3339.c_str(), "%Y-%m-%dT%H:%M:%S", &utc) == nullptr) return 0;
  return std::max<std::int64_t>(time(nullptr) - timegm(&utc), 0);
}

bool is_rfc3339(std::string const& text) {
  constexpr char kSeconds[] = "%Y-%m-%dT%H:%M:%S";
  constexpr std::size_t kLength = 19;
  tm utc{};
  char const* rest = strptime(text.c_str(), kSeconds, &utc);
  if (rest == nullptr || rest != text.c_str() + kLength) return false;
  // strptime takes single digits, and days that a month does not have.
  timegm(&utc);
  std::array<char, 64> again{};
  strftime(again.data(), again.size(), kSeconds, &utc);
  if (text.compare(0, kLength, again.data()) != 0) return false;
  std::string_view fraction = std::string_view(text).substr(kLength);
  if (fraction.size() == 1) return fraction == "Z";
  return fraction.size() > 2 && fraction.front() == '.' &&
         fraction.find_first_not_of("0123456789", 1) == fraction.size() - 1 &&
         fraction.back() == 'Z';
}

}  // namespace snapclone::sys
