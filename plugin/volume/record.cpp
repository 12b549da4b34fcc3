// SPDX-License-Identifier: Apache-2.0
#include "volume/record.hpp"

#include "sys/host.hpp"
#include "sys/text.hpp"

#include <boost/json.hpp>

namespace snapclone::volume {
namespace {

namespace json = boost::json;

constexpr int kVersion = 1;
constexpr std::size_t kLongestId = 32;

json::object parsed(std::string_view text) {
  json::error_code error;
  json::parse_options limits;
  limits.max_depth = 4;
  json::value value = json::parse(json::string_view(text), error, {}, limits);
  if (error) throw std::runtime_error("it is not JSON: " + error.message());
  if (!value.is_object()) throw std::runtime_error("it is not a JSON object");
  auto const* version = value.get_object().if_contains("record");
  if (version == nullptr || !version->is_int64()) {
    throw std::runtime_error("it does not say its version");
  }
  if (version->get_int64() != kVersion) {
    throw std::runtime_error("it is of version " + std::to_string(version->get_int64()) +
                             "; this snapclone knows version 1");
  }
  return std::move(value.get_object());
}

[[noreturn]] void missing(std::string const& member) {
  throw std::runtime_error("its member \"" + member + "\" is missing or not what it should be");
}

std::string text_of(json::value const& value, std::string const& member) {
  auto const* text = value.if_string();
  if (text == nullptr) missing(member);
  return std::string(*text);
}

std::string text(json::object const& object, char const* member) {
  auto const* value = object.if_contains(member);
  if (value == nullptr) missing(member);
  return text_of(*value, member);
}

std::vector<std::string> texts(json::object const& object, char const* member) {
  auto const* value = object.if_contains(member);
  if (value == nullptr || !value->is_array()) missing(member);
  std::vector<std::string> all;
  for (auto const& item : value->get_array()) all.push_back(text_of(item, member));
  return all;
}

unsigned count_of(json::value const& value, std::string const& member) {
  auto const* number = value.if_int64();
  if (number == nullptr || *number < 0 || *number > 1'000'000'000) missing(member);
  return static_cast<unsigned>(*number);
}

// Ids become paths: nothing but what random_id() makes is let in.
std::string checked_layer(std::string id) {
  bool good = !id.empty() && id.size() <= kLongestId;
  for (char c : id) good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
  if (!good)
    throw std::runtime_error("it names a layer that cannot be: \"" + sys::excerpt(id) + "\"");
  return id;
}

Stack stack(json::object const& object) {
  Stack ids = texts(object, "stack");
  for (auto& id : ids) id = checked_layer(std::move(id));
  return ids;
}

json::array array(std::vector<std::string> const& items) {
  json::array all;
  for (auto const& item : items) all.emplace_back(item);
  return all;
}

std::string printed(json::object const& object) { return json::serialize(object) + "\n"; }

}  // namespace

std::string_view name_of(Kind kind) { return kind == Kind::snapshot ? "snapshot" : "volume"; }

std::string described(Record const& record) {
  return std::string(name_of(record.kind)) + " \"" + record.name.text() + "\"";
}

Stack layers_of(Record const& record) {
  Stack layers;
  if (!record.upper.empty()) layers.push_back(record.upper);
  layers.insert(layers.end(), record.stack.begin(), record.stack.end());
  return layers;
}

std::string encode(Record const& record) {
  json::object object;
  object["record"] = kVersion;
  object["name"] = record.name.text();
  object["kind"] = json::string_view(name_of(record.kind));
  object["stack"] = array(record.stack);
  if (record.kind == Kind::volume) object["upper"] = record.upper;
  json::object options;
  for (auto const& [key, value] : record.options) options[key] = value;
  object["options"] = std::move(options);
  if (record.target) object["target"] = *record.target;
  if (record.read_only) object["access"] = "ro";
  if (record.memory != 0) object["memory"] = record.memory;
  object["lineage"] = array(record.lineage);
  object["created"] = record.created;
  return printed(object);
}

Record decode_record(std::string_view text_) {
  json::object object = parsed(text_);
  Record record{.name = VolumeName(text(object, "name"))};
  std::string kind = text(object, "kind");
  if (kind != "volume" && kind != "snapshot") missing("kind");
  record.kind = kind == "snapshot" ? Kind::snapshot : Kind::volume;
  record.stack = stack(object);
  if (record.kind == Kind::snapshot && record.stack.empty()) missing("stack");
  if (record.kind == Kind::volume) record.upper = checked_layer(text(object, "upper"));
  auto const* options = object.if_contains("options");
  if (options == nullptr || !options->is_object()) missing("options");
  for (auto const& [key, value] : options->get_object()) {
    record.options[std::string(key)] = text_of(value, "options");
  }
  if (object.contains("target")) record.target = text(object, "target");
  if (object.contains("access")) record.read_only = text(object, "access") == "ro";
  if (auto const* memory = object.if_contains("memory")) {
    auto const* bytes = memory->if_int64();
    if (bytes == nullptr || *bytes <= 0) missing("memory");
    if (record.options.count("size") == 0) missing("options");
    record.memory = static_cast<std::uint64_t>(*bytes);
  }
  record.lineage = texts(object, "lineage");
  record.created = text(object, "created");
  if (!sys::is_rfc3339(record.created)) missing("created");
  return record;
}

std::string encode(CloneRecord const& record) {
  json::object object;
  object["record"] = kVersion;
  object["volume"] = record.volume.text();
  object["mount"] = record.mount_id.text();
  object["stack"] = array(record.stack);
  object["since"] = record.since;
  object["count"] = record.count;
  if (record.in_memory) object["medium"] = "memory";
  return printed(object);
}

CloneRecord decode_clone(std::string_view text_) {
  json::object object = parsed(text_);
  CloneRecord record{.volume = VolumeName(text(object, "volume")),
                     .mount_id = MountId(text(object, "mount"))};
  record.stack = stack(object);
  record.since = text(object, "since");
  auto const* count = object.if_contains("count");
  if (count == nullptr) missing("count");
  record.count = count_of(*count, "count");
  if (object.contains("medium")) record.in_memory = text(object, "medium") == "memory";
  return record;
}

std::string encode(MountCounts const& counts) {
  json::object ids;
  for (auto const& [id, count] : counts) ids[id.text()] = count;
  json::object object;
  object["record"] = kVersion;
  object["counts"] = std::move(ids);
  return printed(object);
}

MountCounts decode_counts(std::string_view text_) {
  json::object object = parsed(text_);
  auto const* ids = object.if_contains("counts");
  if (ids == nullptr || !ids->is_object()) missing("counts");
  MountCounts counts;
  for (auto const& [id, count] : ids->get_object()) {
    counts[MountId(id)] = count_of(count, "counts");
  }
  return counts;
}

}  // namespace snapclone::volume
