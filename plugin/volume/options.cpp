// SPDX-License-Identifier: Apache-2.0
#include "volume/options.hpp"

#include "sys/text.hpp"
#include "volume/refusal.hpp"

namespace snapclone::volume {
namespace {

constexpr std::size_t kLongestTarget = 4095;  // PATH_MAX less its NUL
constexpr std::uint64_t kSmallestSize = std::uint64_t{1} << 20U;
constexpr std::uint64_t kLargestSize = std::uint64_t{1} << 40U;

std::string quoted(std::string_view text) { return "\"" + sys::excerpt(text) + "\""; }

Source parse_source(std::string const& option, std::string const& value) {
  auto at = value.find('@');
  std::string name = value.substr(0, at);
  if (!VolumeName::allows(name)) {
    std::string hint = value.rfind('/', 0) != 0
                           ? ""
                           : "; a path names no clone: docker volume inspect SNAPSHOT lists the "
                             "live ones";
    throw Refusal("option " + option + " needs the name of a volume, like " + option + "=db, and " +
                  quoted(value) + " is not allowed as one" + hint);
  }
  if (at == std::string::npos) return {VolumeName(name), std::nullopt};
  std::string mount = value.substr(at + 1);
  if (!MountId::allows_beginning(mount)) {
    throw Refusal("option " + option + "=" + sys::excerpt(value) +
                  " is not allowed: what follows the \"@\" is the beginning of a mount ID, made of "
                  "letters and digits");
  }
  return {VolumeName(name), mount};
}

bool parse_choice(std::string const& option, std::string const& value, std::string const& yes,
                  std::string const& no) {
  if (value == yes || value == no) return value == yes;
  throw Refusal("option " + option + "=" + sys::excerpt(value) + " is not known: it is \"" + yes +
                "\" or \"" + no + "\"");
}

// Combinations that have no meaning.
void check_combination(Options const& options) {
  RawOptions const& given = options.given;
  bool memory = given.count("medium") != 0 && given.at("medium") == "memory";
  if (given.count("snapshot-of") != 0 && given.count("clone-of") != 0) {
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
  if (memory && given.count("size") == 0) {
    throw Refusal("medium=memory needs size=, the memory that one clone may fill, like size=512m");
  }
  if (!memory && given.count("size") != 0) {
    throw Refusal("size= needs medium=memory: nothing else has a limit");
  }
  if (options.live && !options.source) {
    throw Refusal("live=true needs snapshot-of or clone-of: it is about freezing what is mounted");
  }
}

}  // namespace

std::uint64_t parse_size(std::string_view text) {
  auto bytes = sys::parse_bytes(text, "kmg");
  if (bytes && *bytes >= kSmallestSize && *bytes <= kLargestSize) return *bytes;
  throw Refusal("size=" + sys::excerpt(text) +
                " is not allowed: it is a whole number of bytes, or with k, m or g (or capitals) "
                "behind it, from 1m to 1024g, like 512m");
}

Options parse_options(RawOptions const& given) {
  Options options;
  options.given = given;
  for (auto const& [key, value] : given) {
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
  check_combination(options);
  return options;
}

}  // namespace snapclone::volume
