// SPDX-License-Identifier: Apache-2.0
#include "api/protocol.hpp"
#include "api/status.hpp"
#include "fuzz/input.hpp"
#include "sys/host.hpp"
#include "volume/description.hpp"
#include "volume/record.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <optional>

namespace snapclone::fuzz {
namespace {

namespace json = boost::json;
using namespace volume;

constexpr std::string_view kInIds = "abcdefghijklmnopqrstuvwxyz234567";
constexpr std::string_view kInNames = "abcxyzABCXYZ0189_.-";
constexpr std::string_view kInValues = "ab/\\\"\n\t\x01\x7f =@{}[]:,";  // ASCII, so UTF-8

// What a decoder gives, or nothing if it says what is wrong with the text.
template <class Decode>
auto decoded(Decode decode, std::string_view text) -> std::optional<decltype(decode(text))> {
  try {
    return decode(text);
  } catch (std::runtime_error const& error) {
    require_sentence(error.what());
    return std::nullopt;
  }
}

void require_layers(Stack const& layers) {
  for (auto const& layer : layers) {
    require_component(layer);
    require(layer.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string::npos,
            "a layer has nothing that mount options would mind");
  }
}

// The engine forgets a volume whose Get fails, so whatever a record says can be said in one.
void check_status(Record const& record, std::vector<CloneAge> const& clones) {
  DiskUse use{.own = 1, .shared = 2, .clones = 3, .measured = record.created};
  use.first_write = {.file = record.created, .size = 4, .copied = 5};
  Description description{.volume = std::make_shared<Volume const>(Volume{record}),
                          .mountpoint = "",
                          .backend = "overlay",
                          .backend_reason = "it works",
                          .mounts = 1,
                          .clones = clones.size(),
                          .newest_clones = clones,
                          .disk_use = use,
                          .pool = {.size = 1, .free = 1, .use = PoolUse{}, .reflinks = true}};
  json::object status = api::status_of(description);
  json::value reply =
      json::parse(api::encode_volume({record.name.text(), "", record.created, status}));
  std::string created(reply.at("Volume").at("CreatedAt").as_string());
  require(sys::is_rfc3339(created), "Get says a time that the engine can read");
}

void check_record(Record const& record) {
  require_layers(record.stack);
  if (record.kind == Kind::volume) {
    require_layers({record.upper});
  } else {
    require(!record.stack.empty(), "a snapshot is made of something");
  }
  require(decode_record(encode(record)) == record, "a record reads as it was written");
  check_status(record, {});
}

void check_clone(CloneRecord clone) {
  require_layers(clone.stack);
  clone.id = "";  // the directory's name
  require(decode_clone(encode(clone)) == clone, "a clone's record reads as it was written");
}

void check_counts(MountCounts const& counts) {
  require(decode_counts(encode(counts)) == counts, "counts read as they were written");
}

// Records as the plugin itself makes them.
Stack some_layers(Bytes& bytes, std::size_t least) {
  Stack layers(least + bytes.below(4));
  for (auto& layer : layers) layer = bytes.text(kInIds, 8, 8);
  return layers;
}

VolumeName some_name(Bytes& bytes) { return VolumeName("n" + bytes.text(kInNames, 1, 11)); }

MountId some_mount_id(Bytes& bytes) { return MountId(bytes.text(kInNames, 1, 64)); }

Record some_record(Bytes& bytes) {
  Record record{.name = some_name(bytes)};
  record.kind = bytes.flag() ? Kind::snapshot : Kind::volume;
  record.stack = some_layers(bytes, record.kind == Kind::snapshot ? 1 : 0);
  if (record.kind == Kind::volume) record.upper = bytes.text(kInIds, 8, 8);
  for (auto const* key : {"snapshot-of", "target", "size", "live"}) {
    if (bytes.flag()) record.options[key] = bytes.text(kInValues, 0, 20);
  }
  if (bytes.flag()) record.target = bytes.text(kInValues, 0, 20);
  record.read_only = bytes.flag();
  if (record.options.count("size") != 0) record.memory = (1U + bytes.below(255)) << 20U;
  for (std::size_t i = bytes.below(3); i > 0; --i) {
    record.lineage.push_back(bytes.text(kInNames, 2, 12));
  }
  record.created = "2026-01-31T12:00:00.000000001Z";
  return record;
}

CloneRecord some_clone(Bytes& bytes) {
  return {"",
          some_name(bytes),
          some_mount_id(bytes),
          some_layers(bytes, 1),
          bytes.text("0123456789-T:.Z", 0, 30),
          static_cast<unsigned>(bytes.below(256)),
          bytes.flag()};
}

}  // namespace

void records(std::string_view input) {
  auto record = decoded(decode_record, input);
  if (record) check_record(*record);
  auto clone = decoded(decode_clone, input);
  if (clone) check_clone(*clone);
  auto counts = decoded(decode_counts, input);
  if (counts) check_counts(*counts);

  Bytes bytes(input);
  Record made = some_record(bytes);
  check_record(made);
  CloneRecord made_clone = some_clone(bytes);
  check_clone(made_clone);
  check_status(made, {{made_clone.mount_id, made_clone.since}});
  check_counts({{some_mount_id(bytes), static_cast<unsigned>(bytes.below(256))}});
}

}  // namespace snapclone::fuzz
