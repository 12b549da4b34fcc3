// SPDX-License-Identifier: Apache-2.0
#include "volume/policy.hpp"

#include <algorithm>
#include <vector>

namespace snapclone::volume {
namespace {

constexpr std::size_t kLongestName = 200;     // NAME_MAX is 255, and temporary files need a prefix
constexpr std::size_t kLongestMountId = 128;  // twice Docker's
constexpr std::size_t kLongestTarget = 4095;  // PATH_MAX less its NUL
constexpr std::size_t kLongestShown = 80;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name_character(char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; }

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

std::string quoted(std::string_view text) { return "\"" + shown(text) + "\""; }

bool is_name(std::string_view name) {
  return name.size() >= 2 && name.size() <= kLongestName && is_alphanumeric(name.front()) &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

void check_source(std::string const& option, std::optional<std::string> const& name) {
  if (!name || is_name(*name)) return;
  throw Refusal("option " + option + " needs the name of a volume, like " + option + "=db, and " +
                quoted(*name) + " is not allowed as one");
}

}  // namespace

std::string shown(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (char c : text.substr(0, kLongestShown)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += std::string("\\x") + kHex[byte >> 4U] + kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  return text.size() > kLongestShown ? out + "..." : out;
}

void check_name(std::string_view name) {
  if (is_name(name)) return;
  throw Refusal("volume name " + quoted(name) +
                " is not allowed: use 2 to 200 letters, digits, \"_\", \".\" or \"-\", beginning "
                "with a letter or digit");
}

void check_mount_id(std::string_view id) {
  bool good = !id.empty() && id.size() <= kLongestMountId &&
              std::all_of(id.begin(), id.end(), is_name_character);
  if (good) return;
  throw Refusal("mount ID " + quoted(id) +
                " is not allowed: use 1 to 128 letters, digits, \"_\", \".\" or \"-\"");
}

Options parse_options(RawOptions const& raw) {
  Options options;
  for (auto const& [key, value] : raw) {
    if (key == "snapshot-of") {
      options.snapshot_of = value;
    } else if (key == "clone-of") {
      options.clone_of = value;
    } else if (key == "target") {
      if (value.size() > kLongestTarget) {
        throw Refusal("target " + quoted(value) + " is longer than a path can be (4095 bytes)");
      }
      options.target = value;
    } else if (key == "access") {
      if (value != "ro" && value != "rw") {
        throw Refusal("option access=" + shown(value) + " is not known: it is \"ro\" or \"rw\"");
      }
      options.read_only = value == "ro";
    } else {
      throw Refusal("unknown option " + quoted(key) +
                    ": the options are access, clone-of, snapshot-of, target");
    }
  }
  if (options.snapshot_of && options.clone_of) {
    throw Refusal(
        "snapshot-of and clone-of exclude each other: snapshot-of makes an immutable snapshot, "
        "clone-of a writable volume");
  }
  if (options.read_only && !options.snapshot_of) {
    throw Refusal("access=ro is for snapshots: it needs snapshot-of");
  }
  check_source("snapshot-of", options.snapshot_of);
  check_source("clone-of", options.clone_of);
  return options;
}

Verdict judge_target(std::optional<std::string> const& target) {
  if (!target) return {Target::allowed, ""};
  if (target->find('\0') != std::string::npos) return {Target::invalid, ""};

  // Docker maps "\" to "/" before it looks, so that "\" alone is the root as well.
  std::string slashed = *target;
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  if (!slashed.empty() && slashed.front() == '/' && clean(slashed).path == "/") {
    return {Target::root, ""};
  }
  if (target->empty() || target->front() != '/') return {Target::relative, ""};
  Cleaned cleaned = clean(*target);
  if (cleaned.escapes || target->rfind("//", 0) == 0) return {Target::invalid, ""};
  return {Target::allowed, cleaned.path};
}

void check_target(std::string const& what, std::optional<std::string> const& target) {
  Target verdict = judge_target(target).verdict;
  if (verdict == Target::allowed) return;
  if (verdict == Target::root) {
    throw Refusal(what + " cannot be mounted at the container's root: its target is " +
                  quoted(*target) + "; make it anew with a directory below / as its target");
  }
  std::string start = what + " cannot be mounted: its target " + quoted(*target) + " ";
  if (verdict == Target::relative) throw Refusal(start + "must be absolute, like \"/data\"");
  throw Refusal(start +
                "has invalid components: it must not hold a NUL, begin with \"//\" or lead out of "
                "\"/\" with \"..\"");
}

}  // namespace snapclone::volume
