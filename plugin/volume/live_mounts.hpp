// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/record.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace snapclone::volume {

struct CloneAge {
  MountId mount_id;
  std::string since;
};

// Live clones that a person may mean by the beginning of a mount ID.
struct MatchingClones {
  std::size_t number = 0;
  std::vector<CloneRecord> newest;  // not more than were asked for
};

// Keeps in memory what is mounted: the clones of snapshots, by mount ID, and the mount counts of
// volumes, by mount ID. All of it ends with the machine's boot. Does no input or output.
// Thread-compatible: the Catalogue has one under its mutex.
class LiveMounts {
 public:
  struct Newer {
    bool operator()(CloneRecord const* a, CloneRecord const* b) const {
      return std::tie(a->since, a->id) > std::tie(b->since, b->id);
    }
  };
  struct Clones {
    std::map<MountId, CloneRecord> by_id;
    std::set<CloneRecord const*, Newer> by_age;  // the same
  };

  // start_clone() adds a new clone and gives its mount a serial. adopt_clone() adds one that the
  // process before this one made.
  void start_clone(CloneRecord const& clone);
  void adopt_clone(CloneRecord const& clone);
  std::optional<CloneRecord> find_clone(VolumeName const& name, MountId const& mount_id) const;
  void set_clone_count(CloneRecord const& clone);
  void end_clone(CloneRecord const& clone);

  std::size_t number_of_clones(VolumeName const& name) const;
  std::vector<CloneRecord> clones_of(VolumeName const& name) const;
  std::map<VolumeName, Clones> const& clones() const { return clones_; }  // by snapshot
  // The clones that someone has mounted and whose mount ID begins so.
  MatchingClones matching_clones(VolumeName const& name, std::string const& beginning,
                                 std::size_t most) const;
  // The cost does not grow with the number of clones.
  std::vector<CloneAge> newest_clones(VolumeName const& name, std::size_t most) const;
  // The IDs that have a writable volume mounted, and how often.
  MountCounts counts(VolumeName const& name) const;
  std::size_t number_of_counts(VolumeName const& name) const;
  void set_counts(VolumeName const& name, MountCounts counts);
  void adopt_counts(VolumeName const& name, MountCounts counts);
  void forget_counts(VolumeName const& name) { counts_.erase(name); }

  // The number of an ID's mount. An ID that is unmounted and mounted anew gets another number. 0 if
  // the ID is not mounted, or has been mounted since before this process.
  std::uint64_t serial(VolumeName const& name, MountId const& mount_id) const;

  // The process before this one lost a Mount, and nobody knows of which volume. Engine 20.10 sends
  // an Unmount for it all the same. So from now on an Unmount of an adopted mount does not prove
  // that nobody uses it.
  void doubt_adopted() { doubt_adopted_ = true; }
  bool doubted(VolumeName const& name, MountId const& mount_id) const;

 private:
  using Mount = std::pair<VolumeName, MountId>;

  void put(CloneRecord const& clone);
  Clones const* find(VolumeName const& name) const;

  std::map<VolumeName, Clones> clones_;  // by snapshot; none is empty
  std::map<VolumeName, MountCounts> counts_;
  std::map<Mount, std::uint64_t> serials_;
  std::uint64_t last_serial_ = 0;
  std::map<VolumeName, std::set<MountId>> adopted_;  // from the process before this one
  bool doubt_adopted_ = false;
};

}  // namespace snapclone::volume
