// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/names.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

// The options of `docker volume create -o …`, parsed once. Pure functions.
namespace snapclone::volume {

using RawOptions = std::map<std::string, std::string>;

// The source of a snapshot or clone: NAME, or NAME@MOUNT for the live clone of NAME whose mount ID
// begins with MOUNT.
struct Source {
  VolumeName name;
  std::optional<std::string> mount;
};

struct Options {
  RawOptions given;              // as Create got them
  std::optional<Source> source;  // snapshot-of or clone-of
  bool snapshot = false;         // it was snapshot-of
  std::optional<std::string> target;
  bool read_only = false;    // access=ro
  bool live = false;         // live=true
  std::uint64_t memory = 0;  // medium=memory: its size in bytes
};

// Throws Refusal for an unknown option, an unknown value, or a combination without a meaning. The
// target is not checked here: check_target() does that at Mount.
Options parse_options(RawOptions const& given);

// "512m" as bytes: a whole number, with k, m or g behind it or nothing for bytes, from 1 MiB to
// 1 TiB. Throws Refusal.
std::uint64_t parse_size(std::string_view text);

struct CreateRequest {
  VolumeName name;
  Options options;
};

}  // namespace snapclone::volume
