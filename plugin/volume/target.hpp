// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

// Which paths in a container a volume may be declared for. Pure functions.
namespace snapclone::volume {

enum class Target { allowed, root, relative, invalid };

struct Verdict {
  Target verdict;
  std::string path;  // allowed: normalised
};

// Judges the path in the container where a volume is declared to be mounted. Lexical: links in an
// image are not looked at. A path is `root`, in any spelling, if Docker's own cleaning (Go's
// path.Clean, with "\" taken for "/") puts it at "/", if it is "/" when "\" is an ordinary
// character, or if it becomes "/" when it is cleaned twice. No target is allowed.
Verdict judge_target(std::optional<std::string> const& target);

// Throws Refusal unless the target is allowed. `what` begins the sentence: snapshot "seed".
void check_target(std::string const& what, std::optional<std::string> const& target);

}  // namespace snapclone::volume
