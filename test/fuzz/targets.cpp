// SPDX-License-Identifier: Apache-2.0
#include "fuzz/input.hpp"
#include "volume/refusal.hpp"
#include "volume/target.hpp"

#include <optional>

namespace snapclone::fuzz {
namespace {

using volume::Target;
using volume::Verdict;

// The rules of Go's path.Clean for rooted paths (https://pkg.go.dev/path#Clean), as rewriting, one
// rule at a time until none applies: nothing like what is tested here.
struct Cleaned {
  std::string path;
  bool escaped = false;  // ".." at the root, which Go drops
};

bool replace_first(std::string& text, std::string_view what, std::string_view with) {
  std::size_t at = text.find(what);
  if (at == std::string::npos) return false;
  text.replace(at, what.size(), with);
  return true;
}

bool drop_inner_parent(std::string& path) {
  std::size_t parent = path.find("/../");
  if (parent == std::string::npos || parent == 0) return false;
  std::size_t start = path.rfind('/', parent - 1);
  path.erase(start, parent + 3 - start);
  return true;
}

Cleaned clean(std::string path) {
  Cleaned result{std::move(path) + "/"};
  for (;;) {
    if (replace_first(result.path, "//", "/") || replace_first(result.path, "/./", "/")) continue;
    if (result.path.rfind("/../", 0) == 0) {
      result.escaped = true;
      result.path.erase(0, 3);
    } else if (!drop_inner_parent(result.path)) {
      break;
    }
  }
  if (result.path.size() > 1) result.path.pop_back();
  return result;
}

// Docker takes "\" for "/" before it looks.
std::string slashed(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

bool is_root(std::string const& path) { return path.rfind('/', 0) == 0 && clean(path).path == "/"; }

Verdict expected(std::string const& target) {
  if (target.find('\0') != std::string::npos) return {Target::invalid, ""};
  if (is_root(slashed(target)) || is_root(target)) return {Target::root, ""};
  if (target.rfind('/', 0) != 0) return {Target::relative, ""};
  Cleaned cleaned = clean(target);
  if (cleaned.escaped || target.rfind("//", 0) == 0) return {Target::invalid, ""};
  if (is_root(slashed(cleaned.path))) return {Target::root, ""};
  return {Target::allowed, cleaned.path};
}

void check_sentence(std::string const& target, bool allowed) {
  try {
    volume::check_target("snapshot \"seed\"", target);
    require(allowed, "what is not allowed is refused");
  } catch (volume::Refusal const& refused) {
    require(!allowed, "what is allowed is not refused");
    require_sentence(refused.what());
    require(std::string_view(refused.what()).starts_with("snapshot \"seed\" cannot be mounted"),
            "a refusal says what cannot be mounted");
  }
}

}  // namespace

void targets(std::string_view input) {
  std::string target(input);
  Verdict got = volume::judge_target(target);
  Verdict wanted = expected(target);
  require(got.verdict == wanted.verdict, "the verdict is that of Docker's own rules");
  require(got.path == wanted.path, "what is allowed is normalised as Docker does it");
  check_sentence(target, got.verdict == Target::allowed);
  if (got.verdict != Target::allowed) return;
  require(!is_root(got.path) && !is_root(slashed(got.path)), "what is allowed is not the root");
  Verdict again = volume::judge_target(got.path);
  require(again.verdict == Target::allowed && again.path == got.path,
          "what is normalised stays as it is");
}

}  // namespace snapclone::fuzz
