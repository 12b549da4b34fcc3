// SPDX-License-Identifier: Apache-2.0
#include "sys/text.hpp"
#include "volume/options.hpp"
#include "volume/refusal.hpp"
#include "volume/target.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace snapclone::volume {
namespace {

using namespace std::string_literals;

// The sentence with which the check refuses, or "".
template <class Check>
std::string refusal(Check const& check) {
  try {
    check();
  } catch (Refusal const& refused) {
    return refused.what();
  }
  return "";
}

std::string why_not(std::string const& name) {
  return refusal([&] { VolumeName{name}; });
}

std::string why_not(RawOptions const& options) {
  return refusal([&] { parse_options(options); });
}

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(policy)

BOOST_AUTO_TEST_CASE(nothing_declared_is_an_allowed_target) {
  BOOST_TEST((judge_target(std::nullopt).verdict == Target::allowed));
}

BOOST_AUTO_TEST_CASE(every_spelling_that_docker_puts_at_the_root_is_the_root) {
  for (auto const* path : {"/",          "//",        "///",
                           "/.",         "/./",       "/./.",
                           "/.//",       "/.//.",     "/..",
                           "/../",       "/../..",    "/foo/..",
                           "/foo/../",   "/foo/../.", "/foo/bar/../..",
                           "/foo/../..", "//foo/..",  "\\",
                           "/\\",        "\\\\",      "/foo\\..",
                           "\\foo\\..",  "\\..",      "/./../foo/..",
                           "/foo//..",   "/a\\b/..",  "/.\\/a\\b/..//.\\"}) {
    BOOST_TEST_CONTEXT(path) { BOOST_TEST((judge_target(path).verdict == Target::root)); }
  }
}

BOOST_AUTO_TEST_CASE(a_target_that_is_not_absolute_is_refused) {
  for (auto const* path : {"", "foo", ".", "..", "./x", "../x", " /", "\\foo", "foo/..", "\t/x"}) {
    BOOST_TEST_CONTEXT(path) { BOOST_TEST((judge_target(path).verdict == Target::relative)); }
  }
}

BOOST_AUTO_TEST_CASE(a_target_with_a_nul_an_escape_or_a_doubled_start_is_refused) {
  for (auto const& path : {"/foo\0bar"s, "\0"s, "/\0"s, "\0/"s, "/foo\0/.."s, "/../foo"s, "//foo"s,
                           "///foo/bar"s, "/foo/../../bar"s, "/a/../../b/.."s + "/c"}) {
    BOOST_TEST_CONTEXT(sys::excerpt(path)) {
      BOOST_TEST((judge_target(path).verdict == Target::invalid));
    }
  }
}

BOOST_AUTO_TEST_CASE(other_targets_are_allowed_and_normalised) {
  std::vector<std::pair<std::string, std::string>> const table = {
      {"/foo", "/foo"},          {"/foo/", "/foo"},
      {"/foo//bar", "/foo/bar"}, {"/foo/./bar", "/foo/bar"},
      {"/foo/../bar", "/bar"},   {"/foo/bar/..", "/foo"},
      {"/...", "/..."},          {"/ ", "/ "},
      {"/a:b", "/a:b"},          {"/foo\n", "/foo\n"},
      {"/%2e%2e", "/%2e%2e"},    {"/a\\b", "/a\\b"},
      {"/\xff", "/\xff"},        {"/var/lib/postgresql/data", "/var/lib/postgresql/data"}};
  for (auto const& [path, normal] : table) {
    BOOST_TEST_CONTEXT(path) {
      BOOST_TEST((judge_target(path).verdict == Target::allowed));
      BOOST_TEST(judge_target(path).path == normal);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_refused_target_gets_a_sentence_that_says_what_would_be_right) {
  auto sentence = [](std::string const& target) {
    return refusal([&] { check_target("snapshot \"seed\"", target); });
  };
  BOOST_TEST(sentence("/").find("cannot be mounted at the container's root") != std::string::npos);
  BOOST_TEST(contains(sentence("/.."), "its target is \"/..\""));
  BOOST_TEST(contains(sentence("data"), "must be absolute"));
  BOOST_TEST(contains(sentence("//data"), "invalid components"));
  BOOST_TEST(contains(sentence("/a\0b"s), "\"/a\\x00b\""));
  for (auto const* target : {"/", "data", "//data"}) {
    BOOST_TEST_CONTEXT(target) {
      BOOST_TEST(contains(sentence(target), "; remove it (docker volume rm) and make it again"));
    }
  }
  BOOST_TEST(sentence("/data") == "");
}

BOOST_AUTO_TEST_CASE(names_like_those_of_the_local_driver_are_allowed) {
  for (auto const& name :
       {"db"s, "a1"s, "My_db-2.0"s, "0x"s, std::string(64, 'f'), "a.."s, std::string(200, 'n')}) {
    BOOST_TEST(why_not(name) == "");
  }
}

BOOST_AUTO_TEST_CASE(names_that_could_be_paths_or_nothing_are_refused) {
  for (auto const& name : {""s, "a"s, "."s, ".."s, "../x"s, "a/b"s, "/etc"s, "-db"s, ".db"s, "_db"s,
                           "a b"s, "a\\b"s, "a@b"s, "a:b"s, "db\n"s, "d\0b"s, "d\xc3\xbc"s,
                           std::string(201, 'n'), std::string(300, 'n')}) {
    BOOST_TEST_CONTEXT(sys::excerpt(name)) {
      BOOST_TEST(contains(why_not(name), "is not allowed: use"));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_sentence_shows_control_characters_and_cuts_what_is_long) {
  BOOST_TEST(contains(why_not("a\nb\x7f"s), "\"a\\x0ab\\x7f\""));
  BOOST_TEST(why_not(std::string(5000, 'x')).size() < 300);
}

BOOST_AUTO_TEST_CASE(mount_ids_of_docker_are_allowed_and_paths_are_not) {
  BOOST_CHECK_NO_THROW(MountId(std::string(64, 'a')));
  for (auto const& id : {""s, "a/b"s, "a b"s, std::string(129, 'a'), "a\0"s}) {
    BOOST_CHECK_THROW(MountId{id}, Refusal);
  }
}

BOOST_AUTO_TEST_CASE(options_are_taken_as_given) {
  Options options = parse_options({{"snapshot-of", "db"}, {"target", "/x/.."}, {"access", "ro"}});
  BOOST_TEST(options.source->name.text() == "db");
  BOOST_TEST(!options.source->mount);
  BOOST_TEST(options.snapshot);
  BOOST_TEST(options.target.value() == "/x/..");
  BOOST_TEST(options.read_only);
  BOOST_TEST(!parse_options({{"snapshot-of", "db"}, {"access", "rw"}}).read_only);
  BOOST_TEST(!parse_options({{"clone-of", "db"}}).snapshot);
  BOOST_TEST(parse_options({{"clone-of", "db"}, {"live", "true"}}).live);
  BOOST_TEST(!parse_options({{"clone-of", "db"}, {"live", "false"}}).live);
}

BOOST_AUTO_TEST_CASE(a_source_can_name_one_of_the_live_clones) {
  Source source = *parse_options({{"snapshot-of", "seed@3f2a9c01b2d4"}}).source;
  BOOST_TEST(source.name.text() == "seed");
  BOOST_TEST(source.mount.value() == "3f2a9c01b2d4");
  for (auto const& bad : {"@3f2a"s, "seed@3f/2a"s, "seed@a b"s, "seed@a@b"s, "seed@\0"s}) {
    BOOST_TEST(contains(why_not(RawOptions{{"snapshot-of", bad}}), "is not allowed"));
  }
}

BOOST_AUTO_TEST_CASE(a_path_as_a_source_is_told_where_clones_are_listed) {
  std::string listed = "docker volume inspect SNAPSHOT lists the live ones";
  BOOST_TEST(contains(why_not(RawOptions{{"clone-of", "/dev/sda1"}}), listed));
  BOOST_TEST(!contains(why_not(RawOptions{{"clone-of", "a b"}}), listed));
}

BOOST_AUTO_TEST_CASE(memory_has_a_size_in_bytes_or_with_a_unit) {
  BOOST_TEST(parse_size("1m") == 1048576U);
  BOOST_TEST(parse_size("1048576") == 1048576U);
  BOOST_TEST(parse_size("512M") == 536870912U);
  BOOST_TEST(parse_size("2048k") == 2097152U);
  BOOST_TEST(parse_size("1024g") == std::uint64_t{1} << 40U);
  RawOptions raw{{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "2g"}};
  BOOST_TEST(parse_options(raw).memory == std::uint64_t{2} << 30U);
  BOOST_TEST(parse_options({{"snapshot-of", "db"}, {"medium", "disk"}}).memory == 0U);
  for (auto const& bad : {""s, "m"s, "0"s, "1"s, "1023k"s, "1025g"s, "-1m"s, "1.5g"s, "1mb"s, "1t"s,
                          "99999999999999999999"s, "9999999999999g"s, "1 m"s, "1m\0"s}) {
    BOOST_TEST_CONTEXT(sys::excerpt(bad)) {
      raw["size"] = bad;
      BOOST_TEST(contains(why_not(raw), "size=" + sys::excerpt(bad) + " is not allowed"));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_option_is_refused_with_the_known_ones) {
  BOOST_TEST(why_not(RawOptions{{"ttl", "1"}}) ==
             "unknown option \"ttl\": the options are access, clone-of, live, medium, size, "
             "snapshot-of, target");
}

BOOST_AUTO_TEST_CASE(options_that_make_no_sense_are_refused) {
  BOOST_TEST(contains(why_not(RawOptions{{"snapshot-of", "a1"}, {"clone-of", "a1"}}), "exclude"));
  BOOST_TEST(contains(why_not(RawOptions{{"access", "ro"}}), "needs snapshot-of"));
  BOOST_TEST(contains(why_not(RawOptions{{"clone-of", "db"}, {"access", "ro"}}), "snapshots"));
  BOOST_TEST(contains(why_not(RawOptions{{"snapshot-of", "db"}, {"access", "x"}}), "\"ro\" or"));
  BOOST_TEST(contains(why_not(RawOptions{{"snapshot-of", "../db"}}), "is not allowed"));
  BOOST_TEST(contains(why_not(RawOptions{{"clone-of", ""}}), "is not allowed"));
  BOOST_TEST(contains(why_not(RawOptions{{"snapshot-of", "db"}, {"medium", "ram"}}), "\"memory\""));
  BOOST_TEST(
      contains(why_not(RawOptions{{"snapshot-of", "db"}, {"medium", "memory"}}), "needs size="));
  BOOST_TEST(
      contains(why_not(RawOptions{{"snapshot-of", "db"}, {"size", "1g"}}), "needs medium=memory"));
  RawOptions memory{{"medium", "memory"}, {"size", "1g"}};
  BOOST_TEST(contains(why_not(memory), "needs snapshot-of"));
  memory["snapshot-of"] = "db";
  memory["access"] = "ro";
  BOOST_TEST(contains(why_not(memory), "they write nothing"));
  BOOST_TEST(contains(why_not(RawOptions{{"live", "true"}}), "needs snapshot-of or clone-of"));
  BOOST_TEST(contains(why_not(RawOptions{{"clone-of", "db"}, {"live", "yes"}}), "\"true\" or"));
  BOOST_TEST(contains(why_not(RawOptions{{"target", std::string(5000, '/')}}), "longer"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::volume
