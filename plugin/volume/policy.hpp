// SPDX-License-Identifier: Apache-2.0
#pragma once

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

struct Options {
  std::optional<std::string> snapshot_of;
  std::optional<std::string> clone_of;
  std::optional<std::string> target;
  bool read_only = false;  // access=ro
};

using RawOptions = std::map<std::string, std::string>;

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
// would put at "/" is `root`, in whatever spelling. Nothing declared is allowed.
Verdict judge_target(std::optional<std::string> const& target);

// Throws Refusal unless the target is allowed. `what` begins the sentence: snapshot "seed".
void check_target(std::string const& what, std::optional<std::string> const& target);

// Control characters as \xNN, for sentences about what a user typed.
std::string shown(std::string_view text);

}  // namespace snapclone::volume
