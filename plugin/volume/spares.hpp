// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/mutex.hpp"
#include "volume/record.hpp"
#include "volume/trash.hpp"

#include <map>

namespace snapclone::volume {

// Finished copies of snapshots that nobody has used, at most one of each, for the next Mount. They
// lie in staging/: a crash leaves nothing of them. Safe from every thread. A failure is logged,
// since nothing depends on a spare. Its mutex comes before the Trash's in the order of locks.
class Spares {
 public:
  Spares(Pool const& pool, Trash& trash) : pool_(pool), trash_(trash) {}

  // Takes the clone's directory. False if there is a spare already, or if the directory cannot be
  // moved: then the clone and its record are as they were.
  bool keep(CloneRecord const& clone) EXCLUDES(mutex_);

  // Moves a spare into place as the new clone's directory. False if there is none of the clone's
  // stack, or if it cannot be moved.
  bool use(CloneRecord const& clone) EXCLUDES(mutex_);

  void forget(VolumeName const& snapshot) EXCLUDES(mutex_);

 private:
  Pool const& pool_;
  Trash& trash_;
  sys::Mutex mutex_;
  // By snapshot; the clones they were made for.
  std::map<VolumeName, CloneRecord> kept_ GUARDED_BY(mutex_);
};

}  // namespace snapclone::volume
