// SPDX-License-Identifier: Apache-2.0
#include "fuzz/input.hpp"
#include "pool/format.hpp"

namespace snapclone::fuzz {
namespace {

using pool::PoolFormat;

void check(PoolFormat const& format) {
  require(pool::parse_format(pool::print_format(format)) == format,
          "a format reads as it was written");
}

// One that the plugin itself might write.
PoolFormat some_format(std::string_view input) {
  Bytes bytes(input);
  static constexpr std::string_view kBackends[] = {"btrfs", "overlay", "copy"};
  return {bytes.text("abcdefghijklmnopqrstuvwxyz234567", 16, 16),
          std::string(kBackends[bytes.below(3)]), 1 + static_cast<unsigned>(bytes.below(2))};
}

}  // namespace

void formats(std::string_view input) {
  check(some_format(input));
  PoolFormat format;
  try {
    format = pool::parse_format(std::string(input));
  } catch (std::runtime_error const& error) {
    require(std::string_view(error.what()).size() < 1000, "a sentence is not endless");
    return;
  }
  require(input.starts_with("snapclone pool 1") || input.starts_with("snapclone pool 2"),
          "nothing but a pool is taken for one");
  require(format.identity.find('\n') == std::string::npos, "an identity is one line");
  require(!format.backend.empty(), "a pool has a backend");
  check(format);
}

}  // namespace snapclone::fuzz
