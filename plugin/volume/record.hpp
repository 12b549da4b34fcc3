// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"
#include "volume/names.hpp"
#include "volume/options.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The files about volumes, clones and mounts: JSON text, one object a file. Pure functions. A
// decoder throws std::runtime_error that says what is wrong with the text. It ignores members that
// it does not know, so that an older version reads what a newer minor one wrote.
namespace snapclone::volume {

using pool::Stack;

enum class Kind { volume, snapshot };
std::string_view name_of(Kind kind);

// volumes/<name>/volume.json:
//   {"record": 1, "name": "seed", "kind": "snapshot", "stack": ["kq3…", …], "upper": "…" (volumes),
//    "options": {what Create was given}, "target": "/data" (if any), "access": "ro" (if so),
//    "memory": bytes (with medium=memory), "lineage": ["db", …] (what it was made of, nearest
//    first), "created": "2026-01-31T…Z"}
// A snapshot's stack is not empty, "size" is among the options of a record with "memory", and
// "created" is RFC 3339: the engine forgets a volume that says anything else.
//
// A layer is the upper of at most one volume, and then in no stack: sealing first gives the volume
// a new upper, durably, and names the old one in a snapshot afterwards. So whatever record is lost
// or unreadable, no layer that a stack names is ever written.
struct Record {
  VolumeName name;
  Kind kind = Kind::volume;
  Stack stack = {};
  std::string upper = {};
  RawOptions options = {};
  std::optional<std::string> target = {};
  bool read_only = false;
  std::uint64_t memory = 0;
  std::vector<std::string> lineage = {};
  std::string created = {};

  bool operator==(Record const&) const = default;
};

// For sentences: snapshot "seed".
std::string described(Record const& record);

// A volume's upper and its stack, or a snapshot's stack: all its layers, topmost first.
Stack layers_of(Record const& record);

std::string encode(Record const& record);
Record decode_record(std::string_view text);

// clones/<boot id>/<clone id>/clone.json, replaced at every change of the count, never synced:
//   {"record": 1, "volume": "seed", "mount": "<mount ID>", "stack": […], "since": "…", "count": 1,
//    "medium": "memory" (if so)}
// It pins its stack while the directory exists, in trash/ as well.
struct CloneRecord {
  std::string id = {};  // the directory's name; not in the file
  VolumeName volume;
  MountId mount_id;
  Stack stack = {};
  std::string since = {};
  unsigned count = 0;
  bool in_memory = false;
  bool mounted_again = false;  // by its ID; not in the file

  bool operator==(CloneRecord const&) const = default;
};

std::string encode(CloneRecord const& record);
CloneRecord decode_clone(std::string_view text);

// mounts/<boot id>/<volume name>: {"record": 1, "counts": {"<mount ID>": 2, …}}, never synced.
using MountCounts = std::map<MountId, unsigned>;

std::string encode(MountCounts const& counts);
MountCounts decode_counts(std::string_view text);

}  // namespace snapclone::volume
