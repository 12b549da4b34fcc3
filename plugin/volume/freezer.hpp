// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "sys/mutex.hpp"
#include "volume/catalogue.hpp"
#include "volume/in_use.hpp"
#include "volume/mount_points.hpp"
#include "volume/trash.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace snapclone::volume {

// The source of a snapshot or clone: a volume, a snapshot, or a live clone of one.
struct Origin {
  VolumePtr volume;
  std::optional<CloneRecord> clone;
};

// Layers that are kept from being swept until a record names them.
struct Pinned {
  Stack stack;  // newest first
  Catalogue::Pin pin;
};

// Logs which files of a copy lack the flags that their originals have.
void log_lost_flags(tree::CopyReport const& report, std::string const& from);

// Makes layers: sealed ones with an origin's present content, and new ones to write to. The
// functions block. They throw Refusal, sys::Error or sys::Cancelled; then nothing has changed that
// anyone can see. The caller holds the origin's turn.
class Freezer {
 public:
  Freezer(Pool const& pool, MountPoints const& points, backend::Backend& backend,
          Catalogue& catalogue, InUse& in_use, Trash& trash)
      : pool_(pool),
        points_(points),
        backend_(backend),
        catalogue_(catalogue),
        in_use_(in_use),
        trash_(trash) {}

  // The sealed layers that hold the origin as it is now, durable. An idle volume of a layered
  // backend is sealed, which copies nothing. Any other writable origin is captured, and with `live`
  // every volume. Without it a mounted volume is refused where capturing is not atomic
  // (docs/consistency.md). `purpose` ends the refusal: "stop the containers that use it, then
  // <purpose>".
  Pinned freeze(Origin const& origin, bool live, std::string const& purpose);

  // A writable layer, durable, for a volume that begins as the origin and has `below` under it.
  struct Upper {
    std::string layer;
    Stack below;
    Catalogue::Pin pin;
  };
  Upper empty_upper();
  Upper upper_from(Origin const& origin, bool live, std::string const& purpose);

 private:
  bool asks_for_idle(Origin const& origin) const;
  void require_idle(Record const& record, std::string const& purpose);
  Pinned seal(Origin const& origin);
  Pinned new_layer(std::function<void(fs::path const& tree)> const& make);
  void sync_empty_layer(std::string const& layer) const;
  void make_durable(std::uint64_t errors, Stack const& made);
  void check_writes(Origin const& origin);
  bool is_doubtful(std::string const& upper, std::uint64_t errors);
  Pinned capture(Origin const& origin, backend::Form form);
  Pinned push_layer(Pinned top, Stack const& below);
  Pinned flatten(Stack const& stack);
  void copy_mounted(fs::path const& mounted, fs::path const& tree, backend::Form form);

  Pool const& pool_;
  MountPoints const& points_;
  backend::Backend& backend_;
  Catalogue& catalogue_;
  InUse& in_use_;
  Trash& trash_;

  // The uppers that there were when the disk last reported an error, without those whose files were
  // all asked since.
  sys::Mutex mutex_;
  std::uint64_t errors_ GUARDED_BY(mutex_) = 0;
  std::set<std::string> doubtful_ GUARDED_BY(mutex_);
};

}  // namespace snapclone::volume
