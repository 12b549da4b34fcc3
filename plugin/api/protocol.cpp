// SPDX-License-Identifier: Apache-2.0
#include "api/protocol.hpp"

#include "sys/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>

namespace snapclone::api {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, kVerbs> targets = {  // in the order of Verb
    "/Plugin.Activate",    "/VolumeDriver.Capabilities", "/VolumeDriver.Create",
    "/VolumeDriver.Get",   "/VolumeDriver.List",         "/VolumeDriver.Path",
    "/VolumeDriver.Mount", "/VolumeDriver.Unmount",      "/VolumeDriver.Remove"};

[[noreturn]] void refuse(Verb verb, std::string const& sentence) {
  throw BadRequest(std::string(name_of(verb)) + ": " + sentence);
}

json::object parse(Verb verb, std::string_view body) {
  if (body.empty()) {
    refuse(verb,
           "the request has no body, so it names no volume; the engine sends this when it repeats "
           "a request after its connection broke: please try again");
  }
  json::parse_options options;
  options.max_depth = 4;  // Docker's requests have two levels
  json::error_code error;
  json::value value = json::parse(body, error, {}, options);
  if (error) refuse(verb, "the request is not valid JSON: " + error.message());
  if (!value.is_object()) refuse(verb, "the request is not a JSON object");
  return std::move(value.get_object());
}

std::string string_member(Verb verb, json::object const& request, std::string_view member) {
  json::value const* value = request.if_contains(member);
  if (!value) refuse(verb, "\"" + std::string(member) + "\" is missing");
  json::string const* text = value->if_string();
  if (!text) refuse(verb, "\"" + std::string(member) + "\" is not a string");
  return {text->data(), text->size()};
}

volume::RawOptions decode_options(json::object const& request) {
  json::value const* value = request.if_contains("Opts");
  if (!value || value->is_null()) return {};
  json::object const* members = value->if_object();
  if (!members) refuse(Verb::create, "\"Opts\" is not an object");
  volume::RawOptions options;
  for (json::key_value_pair const& member : *members) {
    std::string const key = member.key();
    json::string const* text = member.value().if_string();
    if (!text)
      refuse(Verb::create, "the value of option \"" + sys::excerpt(key) + "\" is not a string");
    options.emplace(key, std::string(text->data(), text->size()));
  }
  return options;
}

// The serializer escapes ASCII only and passes every other byte on, so one pass over its result
// is enough.
std::string to_text(json::object const& reply) { return printable_utf8(json::serialize(reply)); }

// The length of the UTF-8 sequence that text begins with, or 0 (table 3-7 of the Unicode standard).
std::size_t sequence_length(std::string_view text) {
  auto const byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char const first = byte(0);
  std::size_t const length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length < 2) return length;
  if (text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  bool const overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  bool const surrogate = first == 0xED && byte(1) > 0x9F;
  bool const too_large = first == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

json::object summary(VolumeView const& volume) {
  json::object object;
  object["Name"] = volume.name;
  object["Mountpoint"] = volume.mountpoint;
  if (!volume.created.empty()) object["CreatedAt"] = volume.created;
  return object;
}

}  // namespace

std::optional<Verb> verb_of(std::string_view http_target) {
  auto const found = std::find(targets.begin(), targets.end(), http_target);
  if (found == targets.end()) return std::nullopt;
  return static_cast<Verb>(found - targets.begin());
}

std::string_view name_of(Verb verb) {
  std::string_view const target = targets.at(static_cast<std::size_t>(verb));
  return target.substr(target.find('.') + 1);
}

volume::CreateRequest decode_create(std::string_view body) {
  json::object const request = parse(Verb::create, body);
  volume::VolumeName name(string_member(Verb::create, request, "Name"));
  return {std::move(name), volume::parse_options(decode_options(request))};
}

volume::VolumeName decode_name(Verb verb, std::string_view body) {
  return volume::VolumeName(string_member(verb, parse(verb, body), "Name"));
}

MountRequest decode_mount(Verb verb, std::string_view body) {
  json::object const request = parse(verb, body);
  volume::VolumeName name(string_member(verb, request, "Name"));
  return {std::move(name), volume::MountId(string_member(verb, request, "ID"))};
}

std::string encode_error(std::string_view sentence) {
  json::object reply;
  reply["Err"] = sys::printable(sentence);
  return to_text(reply);
}

std::string encode_activate() { return R"({"Implements":["VolumeDriver"]})"; }

std::string encode_capabilities() { return R"({"Capabilities":{"Scope":"local"},"Err":""})"; }

std::string encode_done() { return encode_error(""); }

std::string encode_mountpoint(std::string_view path) {
  json::object reply;
  reply["Mountpoint"] = path;
  reply["Err"] = "";
  return to_text(reply);
}

std::string encode_volume(VolumeView const& volume) {
  json::object object = summary(volume);
  object["Status"] = volume.status;
  json::object reply;
  reply["Volume"] = std::move(object);
  reply["Err"] = "";
  return to_text(reply);
}

std::string encode_list(std::vector<VolumeView> const& volumes) {
  json::array entries;
  for (VolumeView const& volume : volumes) entries.emplace_back(summary(volume));
  json::object reply;
  reply["Volumes"] = std::move(entries);
  reply["Err"] = "";
  return to_text(reply);
}

std::string printable_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    std::size_t const length = sequence_length(text);
    if (length == 0) {
      result += "\xEF\xBF\xBD";  // U+FFFD
      text.remove_prefix(1);
    } else {
      result += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return result;
}

}  // namespace snapclone::api
