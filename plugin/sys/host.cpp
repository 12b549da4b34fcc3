// SPDX-License-Identifier: Apache-2.0
#include "sys/host.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

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

}  // namespace snapclone::sys
