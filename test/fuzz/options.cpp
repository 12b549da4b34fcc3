// SPDX-License-Identifier: Apache-2.0
#include "volume/options.hpp"

#include "fuzz/input.hpp"
#include "sys/text.hpp"
#include "volume/refusal.hpp"

#include <charconv>
#include <optional>
#include <set>

namespace snapclone::fuzz {
namespace {

using namespace volume;

constexpr std::string_view kAlphanumeric =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
std::string const kInNames = std::string(kAlphanumeric) + "_.-";

// What the check gives, or nothing if it refuses, which it does with a sentence.
template <class Check>
auto unless_refused(Check const& check) -> std::optional<decltype(check())> {
  try {
    return check();
  } catch (Refusal const& refused) {
    require_sentence(refused.what());
    return std::nullopt;
  }
}

// One option a line, as it is typed after -o.
RawOptions parsed(std::string_view input) {
  RawOptions raw;
  while (!input.empty()) {
    std::string_view line = input.substr(0, input.find('\n'));
    input.remove_prefix(std::min(line.size() + 1, input.size()));
    std::size_t equals = std::min(line.find('='), line.size());
    raw[std::string(line.substr(0, equals))] = line.substr(std::min(equals + 1, line.size()));
  }
  return raw;
}

// A second opinion, in floating point, which is exact for every size that is allowed.
std::optional<double> size_of(std::string_view text) {
  double unit = 1;
  if (!text.empty()) {
    std::size_t power = std::string_view("kKmMgG").find(text.back());
    if (power != std::string_view::npos) {
      for (std::size_t i = 0; i <= power / 2; ++i) unit *= 1024;
      text.remove_suffix(1);
    }
  }
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.size() > 18 || error != std::errc() || end != text.data() + text.size()) return {};
  double bytes = static_cast<double>(number) * unit;
  if (bytes < 1048576.0 || bytes > 1099511627776.0) return {};
  return bytes;
}

void check_size(std::string const& text) {
  auto size = unless_refused([&] { return parse_size(text); });
  auto expected = size_of(text);
  require(size.has_value() == expected.has_value(), "a size is taken if it is one");
  require(!size || static_cast<double>(*size) == *expected, "a size is what it says");
}

void check_names(std::string const& text) {
  bool good = text.size() >= 2 && text.size() <= 200 &&
              text.find_first_not_of(kInNames) == std::string::npos &&
              kAlphanumeric.find(text.front()) != std::string_view::npos;
  bool taken = unless_refused([&] { return VolumeName(text), true; }).has_value();
  require(taken == good, "a name is taken if Docker's local driver would, and it is not too long");
  if (taken) require_component(text);
  bool id_good =
      !text.empty() && text.size() <= 128 && text.find_first_not_of(kInNames) == std::string::npos;
  bool id_taken = unless_refused([&] { return MountId(text), true; }).has_value();
  require(id_taken == id_good, "a mount ID is taken if it has nothing but such characters");
}

void check_source(Options const& options, RawOptions const& raw) {
  require(options.source.has_value() == (raw.count("snapshot-of") + raw.count("clone-of") == 1),
          "there is a source if one is named");
  require(options.snapshot == (raw.count("snapshot-of") == 1), "snapshot-of makes a snapshot");
  if (!options.source) return;
  std::string const& given = raw.at(options.snapshot ? "snapshot-of" : "clone-of");
  require_component(options.source->name.text());
  require(given == options.source->name.text() +
                       (options.source->mount ? "@" + *options.source->mount : std::string()),
          "a source is what was given");
  require(!options.source->mount ||
              options.source->mount->find_first_not_of(kInNames) == std::string::npos,
          "the beginning of a mount ID has nothing that a path would mind");
}

void check_taken(Options const& options, RawOptions const& raw) {
  static std::set<std::string> const known = {"access", "clone-of", "live",       "medium",
                                              "size",   "target",   "snapshot-of"};
  for (auto const& [key, value] : raw) require(known.count(key) == 1, "every option is known");
  check_source(options, raw);
  auto said = [&](std::string const& key, std::string const& value) {
    auto found = raw.find(key);
    return found != raw.end() && found->second == value;
  };
  require(options.target.has_value() == (raw.count("target") == 1) &&
              (!options.target || *options.target == raw.at("target")),
          "the target is taken as it was given");
  require(!options.target || options.target->size() < 4096, "a target is no longer than a path");
  require(options.read_only == said("access", "ro"), "access=ro makes it read-only");
  require(options.live == said("live", "true"), "live=true allows what is mounted");
  require(!options.live || options.source, "live is about a source");
  require((options.memory != 0) == said("medium", "memory"), "memory has a size, and only memory");
  require(options.memory == 0 || static_cast<double>(options.memory) == size_of(raw.at("size")),
          "memory has the size that was given");
  require(options.snapshot || (!options.read_only && options.memory == 0),
          "access and medium are for snapshots");
  require(!options.read_only || options.memory == 0, "nothing is written to what is read-only");
}

}  // namespace

void options(std::string_view input) {
  check_names(std::string(input));
  check_size(std::string(input));
  RawOptions raw = parsed(input);
  for (auto const& [key, value] : raw) {
    check_names(value);
    check_size(value);
    require_sentence("x" + sys::excerpt(value));
  }
  auto taken = unless_refused([&] { return parse_options(raw); });
  if (taken) check_taken(*taken, raw);
}

}  // namespace snapclone::fuzz
