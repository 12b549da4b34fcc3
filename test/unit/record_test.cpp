// SPDX-License-Identifier: Apache-2.0
#include "volume/record.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace snapclone::volume {
namespace {

Record full_record() {
  Record record{.name = VolumeName("seed")};
  record.kind = Kind::snapshot;
  record.stack = {"aaaaaaaa", "bbbb2222"};
  record.options = {{"snapshot-of", "db"}, {"target", "/d\"\n"}};
  record.target = "/d\"\n";
  record.read_only = true;
  record.lineage = {"db", "base"};
  record.created = "2026-01-31T12:00:00.000000001Z";
  return record;
}

template <class Decode>
std::string refused(Decode const& decode, std::string const& text) {
  try {
    decode(text);
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(record)

BOOST_AUTO_TEST_CASE(a_record_reads_as_it_was_written) {
  Record read = decode_record(encode(full_record()));
  Record written = full_record();
  BOOST_TEST(read.name.text() == written.name.text());
  BOOST_TEST((read.kind == written.kind));
  BOOST_TEST(read.stack == written.stack);
  BOOST_TEST((read.options == written.options));
  BOOST_TEST(read.target.value() == *written.target);
  BOOST_TEST(read.read_only);
  BOOST_TEST(read.lineage == written.lineage);
  BOOST_TEST(read.created == written.created);
}

BOOST_AUTO_TEST_CASE(a_volume_keeps_its_upper_and_needs_no_target) {
  Record written = full_record();
  written.kind = Kind::volume;
  written.upper = "cccccccc";
  written.target.reset();
  Record read = decode_record(encode(written));
  BOOST_TEST(read.upper == "cccccccc");
  BOOST_TEST(!read.target);
}

BOOST_AUTO_TEST_CASE(members_of_a_newer_minor_version_are_ignored) {
  std::string text = encode(full_record());
  text.insert(text.find('{') + 1, R"("colour": {"a": [1]},)");
  BOOST_TEST(decode_record(text).name.text() == "seed");
}

BOOST_AUTO_TEST_CASE(a_record_of_a_newer_version_is_not_guessed_at) {
  std::string text = encode(full_record());
  text.replace(text.find("\"record\":1"), 10, "\"record\":2");
  BOOST_TEST(refused(decode_record, text) == "it is of version 2; this snapclone knows version 1");
}

BOOST_AUTO_TEST_CASE(every_truncation_of_a_record_is_refused) {
  std::string text = encode(full_record());
  for (std::size_t length = 0; length + 2 < text.size(); ++length) {
    BOOST_TEST(refused(decode_record, text.substr(0, length)) != "");
  }
}

BOOST_AUTO_TEST_CASE(a_layer_that_would_be_a_path_is_refused) {
  for (auto const* id : {"", "..", "../../etc", "a/b", "A", "a b", "a\\u0000"}) {
    std::string text = encode(full_record());
    text.replace(text.find("aaaaaaaa"), 8, id);
    BOOST_TEST(refused(decode_record, text).find("a layer that cannot be") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_member_that_is_missing_or_of_another_kind_is_named) {
  for (auto const* text :
       {R"({"record":1})", R"({"record":1,"name":7,"kind":"volume"})",
        R"({"record":1,"name":"a1","kind":"x"})", R"({"record":1,"name":"a1","kind":"volume"})"}) {
    BOOST_TEST(refused(decode_record, text).find("its member \"") == 0U);
  }
}

// The engine takes a Get with any other time for "no such volume", and forgets the volume.
BOOST_AUTO_TEST_CASE(a_time_that_the_engine_could_not_read_is_refused) {
  for (auto const* time :
       {"", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00+01:00", " 2026-01-31T12:00:00Z",
        "2026-1-31T12:00:00Z", "2026-02-30T12:00:00Z", "2025-02-29T12:00:00Z",
        "2026-13-01T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:60Z", "2026-01-31T12:00:00Zx", "2026-01-31T12:00:00.5"}) {
    BOOST_TEST_CONTEXT(time) {
      Record record = full_record();
      record.created = time;
      BOOST_TEST(contains(refused(decode_record, encode(record)), "\"created\""));
    }
  }
  for (auto const* time : {"2024-02-29T23:59:59Z", "2026-01-31T12:00:00.5Z"}) {
    Record record = full_record();
    record.created = time;
    BOOST_TEST((decode_record(encode(record)) == record));
  }
}

BOOST_AUTO_TEST_CASE(a_snapshot_of_no_layer_is_refused) {
  Record record = full_record();
  record.stack.clear();
  BOOST_TEST(contains(refused(decode_record, encode(record)), "\"stack\""));
  record.kind = Kind::volume;
  record.upper = "cccccccc";
  BOOST_TEST((decode_record(encode(record)) == record));
}

BOOST_AUTO_TEST_CASE(memory_without_the_option_that_asked_for_it_is_refused) {
  Record record = full_record();
  record.memory = 1U << 20U;
  BOOST_TEST(contains(refused(decode_record, encode(record)), "\"options\""));
  record.options["size"] = "1m";
  BOOST_TEST((decode_record(encode(record)) == record));
}

BOOST_AUTO_TEST_CASE(clones_and_counts_read_as_they_were_written) {
  CloneRecord clone{.id = "id",
                    .volume = VolumeName("seed"),
                    .mount_id = MountId("f00d"),
                    .stack = {"aaaaaaaa"},
                    .since = "2026-01-31T12:00:00Z",
                    .count = 3};
  CloneRecord read = decode_clone(encode(clone));
  BOOST_TEST(read.volume.text() == "seed");
  BOOST_TEST(read.mount_id.text() == "f00d");
  BOOST_TEST(read.stack == clone.stack);
  BOOST_TEST(read.count == 3U);
  MountCounts counts = {{MountId("f00d"), 2}, {MountId("beef"), 1}};
  BOOST_TEST((decode_counts(encode(counts)) == counts));
}

BOOST_AUTO_TEST_CASE(a_count_that_cannot_be_is_refused) {
  for (auto const* count : {"-1", "1.5", "99999999999999999999", "\"1\"", "null", "1e400"}) {
    std::string text = std::string(R"({"record":1,"counts":{"a":)") + count + "}}";
    BOOST_TEST(refused(decode_counts, text) != "");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::volume
