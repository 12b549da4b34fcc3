// SPDX-License-Identifier: Apache-2.0
#include "api/protocol.hpp"
#include "fuzz/input.hpp"
#include "sys/text.hpp"
#include "volume/refusal.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <optional>

namespace snapclone::fuzz {
namespace {

namespace json = boost::json;
using namespace api;

// A decoder gives a request, or refuses with a sentence that begins with its verb.
template <class Decode>
auto decoded(Verb verb, Decode const& decode) -> std::optional<decltype(decode())> {
  try {
    return decode();
  } catch (BadRequest const& refused) {
    std::string_view sentence = refused.what();
    require(sentence.starts_with(std::string(name_of(verb)) + ": "), "a refusal names its verb");
    require_sentence(sentence);
  } catch (volume::Refusal const& refused) {
    require_sentence(refused.what());
  }
  return std::nullopt;
}

// As another writer of JSON would put it.
std::string quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || c == '"' || c == '\\') {
      out += std::string("\\u00") + kHex[byte >> 4U] + kHex[byte & 15U];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

void check_create(std::string_view input) {
  auto request = decoded(Verb::create, [&] { return decode_create(input); });
  if (!request) return;
  std::string options;
  for (auto const& [key, value] : request->options.given) {
    options += (options.empty() ? "" : ",") + quoted(key) + ":" + quoted(value);
  }
  volume::CreateRequest again =
      decode_create("{\"Opts\":{" + options + "},\"Name\":" + quoted(request->name.text()) + "}");
  require(again.name == request->name && again.options.given == request->options.given,
          "a Create is the same when it is written again");
}

void check_mount(Verb verb, std::string_view input) {
  auto request = decoded(verb, [&] { return decode_mount(verb, input); });
  if (!request) return;
  auto again = decode_mount(verb, "{\"ID\":" + quoted(request->id.text()) +
                                      ",\"Name\":" + quoted(request->name.text()) + "}");
  require(again.name == request->name && again.id == request->id,
          "a Mount is the same when it is written again");
  require(decode_name(Verb::get, input) == request->name, "every verb reads the same name");
}

void check_name(Verb verb, std::string_view input) {
  auto name = decoded(verb, [&] { return decode_name(verb, input); });
  if (!name) return;
  require_component(name->text());
  auto again = decode_name(verb, "{\"Name\":" + quoted(name->text()) + "}");
  require(again == *name, "a name is the same when it is written again");
}

// Whatever goes into a reply, what comes out is JSON that says it.
void check_replies(std::string const& text) {
  std::string const shown = printable_utf8(text);
  json::error_code invalid;
  json::parse(quoted(text), invalid);
  require((shown == text) == !invalid.failed(), "what is UTF-8 already, and nothing else, stays");
  require(printable_utf8(shown) == shown, "what has been made UTF-8 stays");

  require(json::parse(encode_mountpoint(text)).at("Mountpoint").as_string() == shown,
          "a reply says the mount point");
  json::object status;
  status["text"] = text;
  json::value one = json::parse(encode_volume({text, text, text, status}));
  require(one.at("Volume").at("Name").as_string() == shown &&
              one.at("Volume").at("Status").at("text").as_string() == shown,
          "a reply says the name and the status");
  json::value all = json::parse(encode_list({{text, "", "", {}}, {"b", text, "", {}}}));
  require(all.at("Volumes").as_array().size() == 2, "a list has all volumes");
  std::string error(json::parse(encode_error(text)).at("Err").as_string());
  require(error == printable_utf8(sys::printable(text)), "a reply says the error");
  require(sys::printable(error) == error, "an error has nothing that a terminal acts on");
}

void check_target(std::string_view input) {
  auto verb = verb_of(input);
  if (!verb) return;
  std::string name(name_of(*verb));
  require(input == "/VolumeDriver." + name || input == "/Plugin." + name,
          "a target is a verb letter by letter");
}

}  // namespace

void requests(std::string_view input) {
  check_target(input);
  check_create(input);
  for (Verb verb : {Verb::mount, Verb::unmount}) check_mount(verb, input);
  for (Verb verb : {Verb::get, Verb::path, Verb::remove}) check_name(verb, input);
  check_replies(std::string(input));
}

}  // namespace snapclone::fuzz
