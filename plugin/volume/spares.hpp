// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/record.hpp"
#include "volume/trash.hpp"

#include <map>
#include <mutex>
#include <string>

namespace snapclone::volume {

// Finished copies of snapshots that nobody has used, at most one of each, for the next Mount. They
// lie in staging/, without a record: a crash leaves nothing of them. Safe from every thread; what
// fails is logged, since nothing depends on a spare.
class Spares {
 public:
  Spares(Pool const& pool, Trash& trash) : pool_(pool), trash_(trash) {}

  // Takes the clone's directory, and its record away. False if there is a spare already, or that
  // failed: then the clone is where it was.
  bool keep(CloneRecord const& clone);

  // Makes a spare of what the new clone is to be its directory. False if there is none.
  bool use(CloneRecord const& clone);

  void forget(std::string const& snapshot);

 private:
  Pool const& pool_;
  Trash& trash_;
  std::mutex mutex_;                         // guards the map
  std::map<std::string, CloneRecord> kept_;  // by snapshot; the clones they were made for
};

}  // namespace snapclone::volume
