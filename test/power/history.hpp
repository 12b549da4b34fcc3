// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/manifest.hpp"
#include "power/machine.hpp"

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace snapclone::test {

inline constexpr Moment kNever = std::numeric_limits<Moment>::max();

// From a moment up to another one, which is not part of it.
struct Span {
  Moment from = 0;
  Moment to = kNever;
};

// A volume or snapshot from its Create to its Remove: when each was asked for and acknowledged, and
// what it must show if the power is cut in between.
struct Lifetime {
  std::string name;
  Moment create_asked = 0;
  Moment created = kNever;
  Moment remove_asked = kNever;
  Moment removed = kNever;

  struct Content {
    Span when;
    Manifest manifest;
  };
  std::vector<Content> contents;  // all of it

  struct File {
    Moment from = 0;
    std::string path;
    std::string text;
  };
  std::vector<File> synced;  // what a container has synced and never changed again
};

// Everything that can be known of a machine afterwards.
struct Recording {
  Ground ground;
  Image start;
  std::vector<Change> changes;
  std::vector<Lifetime> lifetimes;
  Moment begin = 0;  // of what is worth a power cut
};

// Has volumes made, used and removed, and remembers what was acknowledged when.
class History {
 public:
  explicit History(Machine& machine) : machine_(machine), caller_(machine.program.socket()) {}

  void create(std::string const& name, Caller::Options const& options = {});
  void remove(std::string const& name);

  // What a container does: it starts, and sees this; it ends.
  fs::path enter(std::string const& name, std::string const& mount_id);
  void leave(std::string const& name, std::string const& mount_id);
  // It writes a new file, which nobody changes later, and syncs it and its directory.
  void write_synced(std::string const& name, std::string const& mount_id, std::string const& path);

  std::vector<Lifetime> const& lifetimes() const { return lifetimes_; }

 private:
  struct Present {
    std::size_t lifetime = 0;
    bool snapshot = false;
    Manifest last;                         // what it shows when nobody uses it
    std::map<std::string, fs::path> uses;  // by mount ID
  };

  Lifetime& lifetime(std::string const& name) { return lifetimes_.at(present_.at(name).lifetime); }
  Manifest shown(std::string const& source) const;

  Machine& machine_;
  Caller caller_;
  std::vector<Lifetime> lifetimes_;
  std::map<std::string, Present> present_;
};

// What a tree shows, in a form that a power cut does not change: without access times, and with
// content as a whole, since where a file system has its holes depends on when it writes.
Manifest lasting(Manifest manifest);

}  // namespace snapclone::test
