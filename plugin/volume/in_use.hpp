// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "volume/catalogue.hpp"
#include "volume/mount_points.hpp"

#include <chrono>
#include <string>

namespace snapclone::volume {

// Whether a container may use a volume, and why, as the rest of a sentence that begins with its
// name. A volume that is not `used` is not mounted.
struct Usage {
  backend::Use use = backend::Use::free;
  std::string sentence = {};  // "is in use by 2 mounts"
  std::string remedy = {};    // "stop the containers that use it (…)"
  std::string users = {};     // what the remedy stops: "them" or "it"
};

// Finds out who uses a writable volume: counted containers, and those that outlived the count.
// Safe from every thread for different volumes; the caller holds the volume's turn. Functions block
// and throw sys::Error.
class InUse {
 public:
  // A tree may stay in use for a moment after its last container has ended, while the kernel takes
  // the container's mounts down: `settle` is how long to wait for that.
  InUse(Pool const& pool, MountPoints const& points, backend::Backend& backend,
        Catalogue& catalogue, std::chrono::milliseconds settle)
      : pool_(pool), points_(points), backend_(backend), catalogue_(catalogue), settle_(settle) {}

  // Unmounts the volume if nobody is counted on it, waits for containers that are just ending, and
  // says who still has it.
  Usage release(Record const& record);

  // The same, and throws Refusal unless nobody uses the volume. `purpose` ends the sentence:
  // "… then <purpose>".
  void require_idle(Record const& record, std::string const& purpose);

  // For a volume that is not mounted here although counts say so: a container may have outlived our
  // mounts. A backend that cannot probe forgets the counts and holds the volume until the next
  // boot. One that can keeps the counts, and is asked when it matters.
  void give_up_counts(Record const& record);

  // For an Unmount that may belong to a lost Mount. A backend that cannot find out who uses the
  // volume then takes it for in use until the next boot. False if that cannot be written down.
  bool hold_until_boot(VolumeName const& name);

  // Writes down who has the volume mounted; not durable.
  void save_counts(VolumeName const& name, MountCounts const& counts) const;

 private:
  void clear_counts(VolumeName const& name);
  backend::Use settled_use(fs::path const& tree) const;

  Pool const& pool_;
  MountPoints const& points_;
  backend::Backend& backend_;
  Catalogue& catalogue_;
  std::chrono::milliseconds const settle_;
};

}  // namespace snapclone::volume
