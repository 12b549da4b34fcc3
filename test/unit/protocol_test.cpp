// SPDX-License-Identifier: Apache-2.0
#include "api/protocol.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <boost/test/unit_test.hpp>

using namespace snapclone::api;
using namespace std::string_literals;
namespace json = boost::json;

namespace {

// The sentence a decoder refuses a request with, or "" if it does not.
template <typename Decode>
std::string refusal(Decode decode) {
  try {
    decode();
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

std::string create_refusal(std::string_view body) {
  return refusal([body] { decode_create(body); });
}

std::string mount_refusal(std::string_view body) {
  return refusal([body] { decode_mount(Verb::mount, body); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(protocol)

BOOST_AUTO_TEST_CASE(every_target_has_its_verb_and_name) {
  struct Row {
    Verb verb;
    char const* target;
    char const* name;
  };
  Row const rows[] = {{Verb::activate, "/Plugin.Activate", "Activate"},
                      {Verb::capabilities, "/VolumeDriver.Capabilities", "Capabilities"},
                      {Verb::create, "/VolumeDriver.Create", "Create"},
                      {Verb::get, "/VolumeDriver.Get", "Get"},
                      {Verb::list, "/VolumeDriver.List", "List"},
                      {Verb::path, "/VolumeDriver.Path", "Path"},
                      {Verb::mount, "/VolumeDriver.Mount", "Mount"},
                      {Verb::unmount, "/VolumeDriver.Unmount", "Unmount"},
                      {Verb::remove, "/VolumeDriver.Remove", "Remove"}};
  for (Row const& row : rows) {
    BOOST_TEST_CONTEXT(row.target) {
      BOOST_TEST((verb_of(row.target) == row.verb));
      BOOST_TEST(name_of(row.verb) == row.name);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_target_that_is_not_exactly_a_verb_is_unknown) {
  for (char const* target :
       {"", "/", "/VolumeDriver.", "/VolumeDriver.create", "/VolumeDriver.Create/",
        "/VolumeDriver.Create?x=1", "//VolumeDriver.Create", "VolumeDriver.Create",
        "http://d/VolumeDriver.Create", "/Plugin.Create", "/VolumeDriver.Activate"}) {
    BOOST_TEST_CONTEXT(target) { BOOST_TEST(!verb_of(target).has_value()); }
  }
}

BOOST_AUTO_TEST_CASE(create_carries_a_name_and_options) {
  snapclone::volume::CreateRequest const request =
      decode_create(R"({"Name":"db","Opts":{"snapshot-of":"x1","target":""}})"
                    "\n");
  snapclone::volume::RawOptions const expected{{"snapshot-of", "x1"}, {"target", ""}};
  BOOST_TEST(request.name.text() == "db");
  BOOST_TEST((request.options.given == expected));
}

BOOST_AUTO_TEST_CASE(create_without_options_may_say_null_or_nothing) {
  BOOST_TEST(decode_create(R"({"Name":"db","Opts":null})").options.given.empty());
  BOOST_TEST(decode_create(R"({"Name":"db","Opts":{}})").options.given.empty());
  BOOST_TEST(decode_create(R"({"Name":"db"})").options.given.empty());
}

BOOST_AUTO_TEST_CASE(mount_carries_a_name_and_an_id) {
  MountRequest const request = decode_mount(Verb::mount, R"({"Name":"db","ID":"0f"})");
  BOOST_TEST(request.name.text() == "db");
  BOOST_TEST(request.id.text() == "0f");
}

BOOST_AUTO_TEST_CASE(get_carries_a_name) {
  BOOST_TEST(decode_name(Verb::get, R"({"Name":"db"})").text() == "db");
}

BOOST_AUTO_TEST_CASE(an_empty_body_is_refused_by_a_sentence_that_says_why) {
  BOOST_TEST(create_refusal("").starts_with("Create: the request has no body"));
  BOOST_TEST(mount_refusal("").starts_with("Mount: the request has no body"));
  std::string const remove = refusal([] { decode_name(Verb::remove, ""); });
  BOOST_TEST(remove.starts_with("Remove: the request has no body"));
}

BOOST_AUTO_TEST_CASE(what_is_not_json_is_refused) {
  for (std::string const& body :
       {" "s, "\n"s, "{"s, "{}x"s, "{\"Name\":\"a\",}"s, "{'Name':'a'}"s, "{\"Name\":\"a\"}{}"s,
        "{\"Name\":\"\xff\"}"s, "{\"Name\":\"\\ud800\"}"s, "\xEF\xBB\xBF{\"Name\":\"a\"}"s,
        "{\"Name\":\"a\"/**/}"s, "{\"Name\":\"a\0\"}"s, "{\"Name\":\"a\"}\0"s}) {
    BOOST_TEST_CONTEXT(body) {
      BOOST_TEST(create_refusal(body).starts_with("Create: the request is not valid JSON: "));
    }
  }
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused) {
  std::string const body =
      R"({"Name":"a","Opts":)" + std::string(30'000, '[') + std::string(30'000, ']') + "}";
  BOOST_TEST(create_refusal(body).starts_with("Create: the request is not valid JSON: "));
}

BOOST_AUTO_TEST_CASE(json_that_is_no_object_is_refused) {
  for (char const* body : {"[]", "null", "\"Name\"", "1", "true"}) {
    BOOST_TEST_CONTEXT(body) {
      BOOST_TEST(create_refusal(body) == "Create: the request is not a JSON object");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_missing_member_is_named) {
  BOOST_TEST(mount_refusal(R"({"ID":"1"})") == R"(Mount: "Name" is missing)");
  BOOST_TEST(mount_refusal(R"({"Name":"db"})") == R"(Mount: "ID" is missing)");
}

BOOST_AUTO_TEST_CASE(a_member_in_other_case_is_not_that_member) {
  BOOST_TEST(mount_refusal(R"({"name":"db","ID":"1"})") == R"(Mount: "Name" is missing)");
}

BOOST_AUTO_TEST_CASE(a_member_of_the_wrong_type_is_named) {
  for (char const* value : {"null", "1", "1e400", "true", "[]", "{}"}) {
    BOOST_TEST_CONTEXT(value) {
      std::string const name = R"({"ID":"1","Name":)"s + value + "}";
      std::string const id = R"({"Name":"db","ID":)"s + value + "}";
      BOOST_TEST(mount_refusal(name) == R"(Mount: "Name" is not a string)");
      BOOST_TEST(mount_refusal(id) == R"(Mount: "ID" is not a string)");
    }
  }
}

BOOST_AUTO_TEST_CASE(options_that_are_no_object_are_refused) {
  for (char const* value : {"1", "true", "[]", "\"\"", "false"}) {
    BOOST_TEST_CONTEXT(value) {
      std::string const body = R"({"Name":"db","Opts":)"s + value + "}";
      BOOST_TEST(create_refusal(body) == R"(Create: "Opts" is not an object)");
    }
  }
}

BOOST_AUTO_TEST_CASE(an_option_that_is_not_a_string_is_named) {
  for (char const* value : {"1", "null", "true", "[]", "{}"}) {
    BOOST_TEST_CONTEXT(value) {
      std::string const body = R"({"Name":"db","Opts":{"a":"b","size":)"s + value + "}}";
      BOOST_TEST(create_refusal(body) == R"(Create: the value of option "size" is not a string)");
    }
  }
}

BOOST_AUTO_TEST_CASE(unknown_members_are_ignored) {
  std::string const body = R"({"New":{"a":[{}]},"Name":"db","Opts":{},"Other":1e400})";
  BOOST_TEST(decode_create(body).name.text() == "db");
}

BOOST_AUTO_TEST_CASE(the_last_of_repeated_members_counts) {
  BOOST_TEST(decode_name(Verb::get, R"({"Name":"a1","Name":"b2"})").text() == "b2");
  auto const body = R"({"Name":"a1","Opts":{"target":"/1","target":"/2"}})";
  BOOST_TEST(decode_create(body).options.target.value() == "/2");
}

BOOST_AUTO_TEST_CASE(a_nul_in_a_string_is_seen) {
  auto const request = decode_create(R"({"Name":"db","Opts":{"target":"/a\u0000b"}})");
  BOOST_TEST(request.options.target.value() == "/a\0b"s);
  BOOST_TEST(create_refusal(R"({"Name":"a\u0000b"})").starts_with("volume name \"a\\x00b\""));
}

BOOST_AUTO_TEST_CASE(names_ids_and_options_that_are_not_allowed_get_no_further) {
  BOOST_TEST(mount_refusal(R"({"Name":"../x","ID":"1"})").starts_with("volume name \"../x\""));
  BOOST_TEST(mount_refusal(R"({"Name":"db","ID":"../1"})").starts_with("mount ID \"../1\""));
  BOOST_TEST(create_refusal(R"({"Name":"db","Opts":{"ttl":"1"}})").starts_with("unknown option"));
}

BOOST_AUTO_TEST_CASE(the_fixed_replies_are_what_docker_reads) {
  BOOST_TEST(encode_activate() == R"({"Implements":["VolumeDriver"]})");
  BOOST_TEST(encode_capabilities() == R"({"Capabilities":{"Scope":"local"},"Err":""})");
  BOOST_TEST(encode_done() == R"({"Err":""})");
}

BOOST_AUTO_TEST_CASE(an_error_is_one_member) {
  BOOST_TEST(encode_error("no \"x\"") == R"({"Err":"no \"x\""})");
}

BOOST_AUTO_TEST_CASE(a_mountpoint_is_sent_with_an_empty_error) {
  BOOST_TEST(encode_mountpoint("/mnt/a") == R"({"Mountpoint":"/mnt/a","Err":""})");
}

BOOST_AUTO_TEST_CASE(a_volume_is_sent_with_its_status) {
  VolumeView view{"db", "/m", "2024-01-02T03:04:05Z", {}};
  view.status["kind"] = "volume";
  view.status["clones"] = 2;
  BOOST_TEST(encode_volume(view) ==
             R"({"Volume":{"Name":"db","Mountpoint":"/m","CreatedAt":"2024-01-02T03:04:05Z",)"
             R"("Status":{"kind":"volume","clones":2}},"Err":""})");
}

BOOST_AUTO_TEST_CASE(an_unknown_creation_time_is_left_out) {
  BOOST_TEST(encode_volume({"db", "", "", {}}) ==
             R"({"Volume":{"Name":"db","Mountpoint":"","Status":{}},"Err":""})");
}

BOOST_AUTO_TEST_CASE(a_list_has_names_mountpoints_and_times) {
  BOOST_TEST(encode_list({}) == R"({"Volumes":[],"Err":""})");
  BOOST_TEST(encode_list({{"a", "/m/a", "2024-01-02T03:04:05Z", {}}, {"b", "", "", {}}}) ==
             R"({"Volumes":[{"Name":"a","Mountpoint":"/m/a","CreatedAt":"2024-01-02T03:04:05Z"},)"
             R"({"Name":"b","Mountpoint":""}],"Err":""})");
}

BOOST_AUTO_TEST_CASE(a_list_of_one_is_still_an_array) {
  json::value const list = json::parse(encode_list({{"a", "", "", {}}}));
  BOOST_TEST(list.at("Volumes").as_array().size() == 1U);
}

BOOST_AUTO_TEST_CASE(every_byte_in_any_string_leaves_valid_json) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  VolumeView view{bytes, bytes, bytes, {}};
  view.status[bytes] = bytes;
  for (std::string const& reply : {encode_error(bytes), encode_mountpoint(bytes),
                                   encode_volume(view), encode_list({view, view})}) {
    BOOST_TEST_CONTEXT(reply) { BOOST_CHECK_NO_THROW(json::parse(reply)); }
  }
}

BOOST_AUTO_TEST_CASE(a_broken_byte_before_a_quote_does_not_swallow_it) {
  BOOST_TEST(encode_error("a\xE2\x82") == "{\"Err\":\"a\xEF\xBF\xBD\xEF\xBF\xBD\"}");
}

BOOST_AUTO_TEST_CASE(valid_utf8_is_not_changed) {
  for (std::string const& text :
       {""s, "a\0b\x7f"s, "\xC2\x80"s, "\xDF\xBF"s, "\xE0\xA0\x80"s, "\xED\x9F\xBF"s,
        "\xEE\x80\x80"s, "\xEF\xBF\xBF"s, "\xF0\x90\x80\x80"s, "\xF4\x8F\xBF\xBF"s}) {
    BOOST_TEST(printable_utf8(text) == text);
  }
}

BOOST_AUTO_TEST_CASE(each_byte_that_is_not_utf8_is_replaced) {
  std::string const mark = "\xEF\xBF\xBD";
  BOOST_TEST(printable_utf8("a\xFFz") == "a" + mark + "z");
  BOOST_TEST(printable_utf8("\x80") == mark);
  BOOST_TEST(printable_utf8("\xC3") == mark);
  BOOST_TEST(printable_utf8("\xC3(") == mark + "(");
  BOOST_TEST(printable_utf8("\xC0\xAF") == mark + mark);
  BOOST_TEST(printable_utf8("\xC1\xBF") == mark + mark);
  BOOST_TEST(printable_utf8("\xE0\x9F\xBF") == mark + mark + mark);
  BOOST_TEST(printable_utf8("\xED\xA0\x80") == mark + mark + mark);
  BOOST_TEST(printable_utf8("\xF0\x8F\xBF\xBF") == mark + mark + mark + mark);
  BOOST_TEST(printable_utf8("\xF4\x90\x80\x80") == mark + mark + mark + mark);
  BOOST_TEST(printable_utf8("\xF5\x80") == mark + mark);
}

BOOST_AUTO_TEST_SUITE_END()
