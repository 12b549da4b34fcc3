// SPDX-License-Identifier: Apache-2.0
#include "volume/target.hpp"

#include "sys/text.hpp"
#include "volume/refusal.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace snapclone::volume {
namespace {

std::vector<std::string> components(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    auto slash = std::min(path.find('/'), path.size());
    std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

struct Cleaned {
  std::string path;
  bool escapes = false;  // a ".." at the root
};

Cleaned clean(std::string_view absolute) {
  std::vector<std::string> kept;
  Cleaned result;
  for (auto& part : components(absolute)) {
    if (part != "..") {
      kept.push_back(std::move(part));
    } else if (kept.empty()) {
      result.escapes = true;
    } else {
      kept.pop_back();
    }
  }
  for (auto const& part : kept) result.path += "/" + part;
  if (kept.empty()) result.path = "/";
  return result;
}

bool is_root(std::string_view path) {
  return !path.empty() && path.front() == '/' && clean(path).path == "/";
}

std::string slashed(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

}  // namespace

Verdict judge_target(std::optional<std::string> const& target) {
  if (!target) return {Target::allowed, ""};
  if (target->find('\0') != std::string::npos) return {Target::invalid, ""};

  // Docker maps "\" to "/" before it looks, so that "\" alone is the root as well.
  if (is_root(slashed(*target)) || is_root(*target)) return {Target::root, ""};
  if (target->empty() || target->front() != '/') return {Target::relative, ""};
  Cleaned cleaned = clean(*target);
  if (cleaned.escapes || target->rfind("//", 0) == 0) return {Target::invalid, ""};
  if (is_root(slashed(cleaned.path))) return {Target::root, ""};
  return {Target::allowed, cleaned.path};
}

void check_target(std::string const& what, std::optional<std::string> const& target) {
  Target verdict = judge_target(target).verdict;
  if (verdict == Target::allowed) return;
  // Not only "make it again": Docker's create of a name that exists does nothing.
  std::string again =
      "; remove it (docker volume rm) and make it again with a directory below / as its target, "
      "like -o target=/data";
  if (verdict == Target::root) {
    throw Refusal(what + " cannot be mounted at the container's root: its target is " + "\"" +
                  sys::excerpt(*target) + "\"" + again);
  }
  std::string start =
      what + " cannot be mounted: its target " + "\"" + sys::excerpt(*target) + "\"" + " ";
  if (verdict == Target::relative) throw Refusal(start + "must be absolute" + again);
  throw Refusal(start +
                "has invalid components: it must not hold a NUL, begin with \"//\" or lead out of "
                "\"/\" with \"..\"" +
                again);
}

}  // namespace snapclone::volume
