// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

// One name as clients see it, one thing after the other: what an answer says of it, and when that
// may be so.
namespace snapclone::test {

using Clock = std::chrono::steady_clock;

using Files = std::set<std::string>;

// What one answer, or what one looks at, says of a name, and between which moments it was so.
struct Observation {
  // The first five change what is there.
  enum class Kind {
    created,        // it exists with this tag: made just now, or it was there
    removed,        // it existed, and nobody had it mounted
    mounted,        // this ID was, on this path
    unmounted,      // this ID was once less; nothing if it was not
    wrote,          // this file was made in the volume, which someone had mounted
    absent,         // there is no such volume
    present,        // it exists, with this tag
    listed,         // it exists
    another_there,  // it exists, and with another tag
    in_use,         // someone has it mounted
    freezable,      // it is a snapshot, or a volume that nobody has mounted
    a_volume,       // it exists and is no snapshot
    alive,          // it is a snapshot with a clone of this ID
    a_snapshot,     // it exists and is one
    has_mounts,     // so many IDs are mounted
    is_mounted_at,  // this path, or "" if it is not
    holds,          // these files and no others
    flickered       // meanwhile someone may have had it mounted, or not
  };
  using enum Kind;

  Clock::time_point begin = {};
  Clock::time_point end = {};
  Kind kind = absent;
  int tag = 0;                      // of the Create that made it
  bool snapshot = false;            // created
  std::string id = {};              // a mount ID
  bool own = false;                 // of one client alone, which does one thing after the other
  std::string path = {};            // also of what was written
  std::size_t number = 0;           // has_mounts
  std::optional<Files> files = {};  // holds; created, if it is known
};

std::string name_of(Observation::Kind kind);
std::string described(Observation const& observation);
std::string listed(Files const& files);

// The same for the same files, and most likely for no others. With a file more it is another
// number, exclusive-or'd with that of the file alone.
std::size_t fingerprint(Files const& files);

struct State {
  struct Mount {
    int count = 0;
    std::string path;
    auto operator<=>(Mount const&) const = default;
  };
  int tag = 0;  // 0: it does not exist
  bool snapshot = false;
  std::map<std::string, Mount> mounts;     // by ID
  std::optional<std::size_t> files_print;  // of its files, unless they are not known
  auto operator<=>(State const&) const = default;
};

std::string described(State const& state);

// Whether the observation, which changes nothing, may happen in that state, when so many more may
// have it mounted.
bool fits(State const& state, Observation const& observation, std::size_t flickering = 0);

// The same for an observation that changes the state, and the change.
bool take(State& state, Observation const& observation);

}  // namespace snapclone::test
