// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clone/backend.hpp"
#include "volume/catalogue.hpp"
#include "volume/mounts.hpp"
#include "volume/trash.hpp"

#include <string>
#include <vector>

namespace snapclone::volume {

// Making and removing volumes and snapshots. Both functions block and throw Refusal or sys::Error;
// when they throw, nothing has changed that anyone can see. The caller holds the turns that
// turns_of_create() and turns_of_remove() name.
class Volumes {
 public:
  Volumes(Pool const& pool, MountPoints const& points, clone::Backend& backend,
          Catalogue& catalogue, Mounts& mounts, Trash& trash)
      : pool_(pool),
        points_(points),
        backend_(backend),
        catalogue_(catalogue),
        mounts_(mounts),
        trash_(trash) {}

  // The same name with the same options again is success.
  void create(std::string const& name, RawOptions const& options);
  void remove(std::string const& name);

 private:
  VolumePtr source(std::string const& name, std::string const& what) const;
  Stack freeze(Volume const& volume, std::string const& purpose);
  void seal(Record& record);
  void flatten(Stack const& stack, std::string const& name, std::string const& id);
  void make_layer(std::string const& id, Stack const& below);
  void add(Record const& record);
  void throw_away(fs::path const& tree);

  Pool const& pool_;
  MountPoints const& points_;
  clone::Backend& backend_;
  Catalogue& catalogue_;
  Mounts& mounts_;
  Trash& trash_;
};

// A Create takes its source's turn as well as its own name's: otherwise a Mount could slip in
// between the proof that the source is idle and its sealing.
std::vector<std::string> turns_of_create(std::string const& name, RawOptions const& options);
std::vector<std::string> turns_of_remove(std::string const& name);

}  // namespace snapclone::volume
