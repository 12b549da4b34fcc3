// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/store.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace snapclone::volume {

// One of the two pools between which volumes are moved: both overlay's, with one identity.
struct Side {
  StoreParts& parts;
  std::string name;                          // "the directory /srv/pool"
  std::function<void()> give_back = [] {};   // makes deleted files free the host's disk
  std::function<void()> look_again = [] {};  // makes the pool's file system show what is free
  std::uint64_t least_free = 0;              // bytes that a copy leaves of it
};

// Moves all volumes and snapshots from one pool into another: names, records, layers and their ids
// stay. One volume after the other is copied, made durable, and committed by its record; only then
// it is removed where it was. Whatever ends the process or the machine, a new Move, in either
// direction, goes on: a volume that is in both pools has a complete copy in both. Layers that
// several volumes have are copied once, and deleted with the last of these.
//
// While a move lasts both pools have a file `moving` with its id. A volume that is in two pools
// without one id is no move that was cut short but a backup of one of them: nothing is touched.
//
// No plugin serves either pool meanwhile. For one thread; it blocks. Logs its progress. Functions
// throw std::runtime_error with what is in the way and the way out.
class Move {
 public:
  Move(Side const& from, Side const& to) : from_(from), to_(to) {}

  // Recovers both pools, as a start does. Throws if a record is damaged, a container still uses
  // something, both pools have a volume of one name that is not the same, or a part of what is to
  // be moved needs more room than there is. Nothing was moved then. Once, before the other two.
  void prepare();

  // Returns how many volumes and snapshots were moved. When it throws, some may have been.
  std::size_t run();

  // Whether anything is where the volumes go to.
  bool has_begun() const;

 private:
  // Volumes that have layers in common, and all their layers. Their space is given back only when
  // the last one has gone.
  struct Part {
    std::vector<VolumePtr> volumes;
    std::set<std::string> layers;
  };

  void check_sound(Side const& side) const;
  void check_same() const;
  void mark_both() const;
  void unmark_both() const;
  void check_idle();
  std::vector<Part> parts() const;
  std::uint64_t missing_bytes(Part const& part) const;
  bool is_there(std::string const& layer) const;
  void require_room(Part const& part, std::uint64_t bytes);
  std::uint64_t free_bytes() const;
  void move(VolumePtr const& volume);
  void copy(VolumePtr const& volume);
  void copy_layer(std::string const& layer, bool upper, std::string const& what);
  fs::path staged_layer(std::string const& layer) const;

  Side const& from_;
  Side const& to_;
  std::size_t number_ = 0;  // of volumes when run() began
  std::size_t moved_ = 0;
};

}  // namespace snapclone::volume
