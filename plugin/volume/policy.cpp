// SPDX-License-Identifier: Apache-2.0
#include "volume/policy.hpp"

#include "sys/text.hpp"

#include <algorithm>
#include <vector>

namespace snapclone::volume {
namespace {

constexpr std::size_t kLongestName = 200;     // NAME_MAX is 255, and temporary files need a prefix
constexpr std::size_t kLongestMountId = 128;  // twice Docker's
constexpr std::size_t kLongestTarget = 4095;  // PATH_MAX less its NUL
constexpr std::uint64_t kSmallestSize = std::uint64_t{1} << 20U;
constexpr std::uint64_t kLargestSize = std::uint64_t{1} << 40U;

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

bool is_root(std::string_view path) {
  return !path.empty() && path.front() == '/' && clean(path).path == "/";
}

std::string slashed(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

std::string quoted(std::string_view text) { return "\"" + sys::excerpt(text) + "\""; }

bool is_name(std::string_view name) {
  return name.size() >= 2 && name.size() <= kLongestName && is_alphanumeric(name.front()) &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

Source parse_source(std::string const& option, std::string const& value) {
  auto at = value.find('@');
  std::string name = value.substr(0, at);
  if (!is_name(name)) {
    std::string hint = value.rfind('/', 0) != 0
                           ? ""
                           : "; a path names no clone: docker volume inspect SNAPSHOT lists the "
                             "live ones";
    throw Refusal("option " + option + " needs the name of a volume, like " + option + "=db, and " +
                  quoted(value) + " is not allowed as one" + hint);
  }
  if (at == std::string::npos) return {name, std::nullopt};
  std::string mount = value.substr(at + 1);
  if (!std::all_of(mount.begin(), mount.end(), is_name_character) ||
      mount.size() > kLongestMountId) {
    throw Refusal("option " + option + "=" + sys::excerpt(value) +
                  " is not allowed: what follows the \"@\" is the beginning of a mount ID, made of "
                  "letters and digits");
  }
  return {name, mount};
}

bool parse_choice(std::string const& option, std::string const& value, std::string const& yes,
                  std::string const& no) {
  if (value == yes || value == no) return value == yes;
  throw Refusal("option " + option + "=" + sys::excerpt(value) + " is not known: it is \"" + yes +
                "\" or \"" + no + "\"");
}

// Combinations that have no meaning.
void check_combination(RawOptions const& raw, Options const& options) {
  bool memory = raw.count("medium") != 0 && raw.at("medium") == "memory";
  if (raw.count("snapshot-of") != 0 && raw.count("clone-of") != 0) {
    throw Refusal(
        "snapshot-of and clone-of exclude each other: snapshot-of makes an immutable snapshot, "
        "clone-of a writable volume");
  }
  if (options.read_only && !options.snapshot) {
    throw Refusal("access=ro is for snapshots: it needs snapshot-of");
  }
  if (memory && !options.snapshot) {
    throw Refusal("medium=memory is for snapshots: it needs snapshot-of");
  }
  if (memory && options.read_only) {
    throw Refusal("medium=memory is for what clones write, and with access=ro they write nothing");
  }
  if (memory && raw.count("size") == 0) {
    throw Refusal("medium=memory needs size=, the memory that one clone may fill, like size=512m");
  }
  if (!memory && raw.count("size") != 0) {
    throw Refusal("size= needs medium=memory: nothing else has a limit");
  }
  if (options.live && !options.source) {
    throw Refusal("live=true needs snapshot-of or clone-of: it is about freezing what is mounted");
  }
}

}  // namespace

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

std::uint64_t parse_size(std::string_view text) {
  static constexpr std::string_view kUnits = "kmg";
  std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  std::string_view unit = text.substr(digits.size());
  std::uint64_t bytes = 0;
  bool good = !digits.empty() && digits.size() <= 13 && unit.size() <= 1;
  for (char digit : digits.substr(0, 13)) bytes = bytes * 10 + static_cast<unsigned>(digit - '0');
  if (good && !unit.empty()) {
    auto power = kUnits.find(static_cast<char>(unit.front() | 0x20));
    good = power != std::string_view::npos && bytes <= kLargestSize >> (10 * (power + 1));
    if (good) bytes <<= 10 * (power + 1);
  }
  if (good && bytes >= kSmallestSize && bytes <= kLargestSize) return bytes;
  throw Refusal("size=" + sys::excerpt(text) +
                " is not allowed: it is a whole number of bytes, or with k, m or g (or capitals) "
                "behind it, from 1m to 1024g, like 512m");
}

Options parse_options(RawOptions const& raw) {
  Options options;
  for (auto const& [key, value] : raw) {
    if (key == "snapshot-of" || key == "clone-of") {
      options.source = parse_source(key, value);
      options.snapshot = key == "snapshot-of";
    } else if (key == "target") {
      if (value.size() > kLongestTarget) {
        throw Refusal("target " + quoted(value) + " is longer than a path can be (4095 bytes)");
      }
      options.target = value;
    } else if (key == "access") {
      options.read_only = parse_choice(key, value, "ro", "rw");
    } else if (key == "live") {
      options.live = parse_choice(key, value, "true", "false");
    } else if (key == "medium") {
      parse_choice(key, value, "memory", "disk");
    } else if (key == "size") {
      options.memory = parse_size(value);
    } else {
      throw Refusal("unknown option " + quoted(key) +
                    ": the options are access, clone-of, live, medium, size, snapshot-of, target");
    }
  }
  check_combination(raw, options);
  return options;
}

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
    throw Refusal(what + " cannot be mounted at the container's root: its target is " +
                  quoted(*target) + again);
  }
  std::string start = what + " cannot be mounted: its target " + quoted(*target) + " ";
  if (verdict == Target::relative) throw Refusal(start + "must be absolute" + again);
  throw Refusal(start +
                "has invalid components: it must not hold a NUL, begin with \"//\" or lead out of "
                "\"/\" with \"..\"" +
                again);
}

}  // namespace snapclone::volume
