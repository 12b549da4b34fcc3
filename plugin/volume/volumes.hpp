// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/freezer.hpp"

#include <string>
#include <vector>

namespace snapclone::volume {

// Making and removing volumes and snapshots. Both functions block and throw Refusal or sys::Error;
// when they throw, nothing has changed that anyone can see. The caller holds the turns that
// turns_of_create() and turns_of_remove() name.
class Volumes {
 public:
  Volumes(Pool const& pool, MountPoints const& points, backend::Backend& backend,
          Catalogue& catalogue, Mounts& mounts, Trash& trash)
      : pool_(pool),
        points_(points),
        catalogue_(catalogue),
        mounts_(mounts),
        trash_(trash),
        freezer_(pool, points, backend, catalogue, mounts, trash) {}

  // The same name with the same options again is success. `turns` are those the caller holds.
  void create(std::string const& name, RawOptions const& options,
              std::vector<std::string> const& turns);
  void remove(std::string const& name);

  // A Create takes its source's turn as well as its own name's: otherwise a Mount could slip in
  // between the proof that the source is idle and its sealing, or a clone end while it is copied.
  // Which clone NAME@MOUNT means may change while the caller waits: it asks again once it has them.
  std::vector<std::string> turns_of_create(std::string const& name,
                                           RawOptions const& options) const;
  static std::vector<std::string> turns_of_remove(std::string const& name) { return {name}; }

 private:
  void make(Record& record, Options const& options, std::vector<std::string> const& turns);
  Origin origin(Options const& options, std::vector<std::string> const& turns) const;
  CloneRecord live_clone(Volume const& snapshot, std::string const& mount) const;
  std::vector<CloneRecord> live_clones(std::string const& snapshot, std::string const& mount) const;
  void check_memory(Stack const& stack) const;
  void add(Record const& record);

  Pool const& pool_;
  MountPoints const& points_;
  Catalogue& catalogue_;
  Mounts& mounts_;
  Trash& trash_;
  Freezer freezer_;
};

}  // namespace snapclone::volume
