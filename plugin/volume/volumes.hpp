// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/freezer.hpp"
#include "volume/options.hpp"

#include <optional>

namespace snapclone::volume {

// Making and removing volumes and snapshots. The functions block and throw Refusal or sys::Error;
// when they throw, nothing has changed that anyone can see. The caller holds the turns (store.hpp).
class Volumes {
 public:
  Volumes(Pool const& pool, MountPoints const& points, backend::Backend& backend,
          Catalogue& catalogue, InUse& in_use, Trash& trash)
      : pool_(pool),
        points_(points),
        catalogue_(catalogue),
        in_use_(in_use),
        trash_(trash),
        freezer_(pool, points, backend, catalogue, in_use, trash) {}

  // The live clone that the request's NAME@MOUNT means at this moment; none if it names no clone,
  // or if the volume exists already. Throws Refusal unless it means exactly one.
  std::optional<CloneRecord> source_clone(CreateRequest const& request) const;

  // The same name with the same options again is success. `clone` is the result of source_clone(),
  // and the caller holds its turn: throws Refusal if NAME@MOUNT means another clone by now.
  void create(CreateRequest const& request, std::optional<CloneRecord> const& clone);

  void remove(VolumeName const& name);

 private:
  bool exists_already(CreateRequest const& request) const;
  void make(Record& record, Options const& options, Origin const& origin);
  VolumePtr source_volume(Options const& options) const;
  void check_memory(Stack const& stack) const;
  void add(Record const& record);

  Pool const& pool_;
  MountPoints const& points_;
  Catalogue& catalogue_;
  InUse& in_use_;
  Trash& trash_;
  Freezer freezer_;
};

}  // namespace snapclone::volume
