// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

// What is allowed, as pure functions: names, options, targets. No I/O, no state.
namespace snapclone::volume {

// A request that was understood and is refused. what() is the sentence the user reads.
class Refusal : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The same characters as Docker's local driver allows, and at most 200 of them, so that a name is
// one component of a path. Throws Refusal.
void check_name(std::string_view name);

// Docker's mount IDs are 64 hexadecimal digits; any letters, digits, "_", "." and "-" will do.
// Throws Refusal.
void check_mount_id(std::string_view id);

// What a snapshot or clone is made of: NAME, or NAME@MOUNT for a live clone of NAME, whose mount ID
// begins with MOUNT.
struct Source {
  std::string name;
  std::optional<std::string> mount;
};

struct Options {
  std::optional<Source> source;  // of snapshot-of or clone-of
  bool snapshot = false;         // it was snapshot-of
  std::optional<std::string> target;
  bool read_only = false;    // access=ro
  bool live = false;         // live=true
  std::uint64_t memory = 0;  // medium=memory: its size in bytes
};

using RawOptions = std::map<std::string, std::string>;

// "512m" as bytes: a whole number with k, m or g, or nothing for bytes, from 1 MiB to 1 TiB.
// Throws Refusal.
std::uint64_t parse_size(std::string_view text);

// Throws Refusal for an unknown option, a value that is none, or a combination without a meaning.
// The target is taken as it is: judge_target() has its say at Mount.
Options parse_options(RawOptions const& raw);

enum class Target { allowed, root, relative, invalid };

struct Verdict {
  Target verdict;
  std::string path;  // allowed: normalised
};

// Judges the path in the container where a volume is declared to be mounted. Lexical: links in an
// image are not looked at. What Docker's own cleaning (Go's path.Clean, with "\" taken for "/")
// would put at "/" is `root`, in whatever spelling, and so is what is "/" with "\" as any
// character, or comes to be when it is cleaned twice. Nothing declared is allowed.
Verdict judge_target(std::optional<std::string> const& target);

// Throws Refusal unless the target is allowed. `what` begins the sentence: snapshot "seed".
void check_target(std::string const& what, std::optional<std::string> const& target);

}  // namespace snapclone::volume
