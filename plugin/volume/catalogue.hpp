// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"
#include "volume/record.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace snapclone::volume {

using pool::Pool;
namespace fs = boost::filesystem;

// A volume or snapshot as it stands; replaced as a whole when it changes.
struct Volume {
  Record record;
  std::string unreadable;  // not empty: the sentence that says why. Then only the name is known
};
using VolumePtr = std::shared_ptr<Volume const>;

struct CloneAge {
  std::string mount_id;
  std::string since;
};

// What exists: the records of volumes, durable before they are true in memory; the live clones and
// mount counts, which live as long as the boot; and which layers any of these needs.
//
// Safe from every thread; its mutex is never held across input or output. Functions that write
// say so; two of them for one name must not run at once (volume/turns.hpp sees to that).
class Catalogue {
 public:
  explicit Catalogue(Pool const& pool) : pool_(pool) {}

  // Reads every record. One that cannot be read keeps its name and is logged.
  void load();

  VolumePtr find(std::string const& name) const;
  std::vector<VolumePtr> all() const;

  // Writes. Both are durable when they return. add() makes the volume wholly or not at all;
  // replace() may fail after the record was replaced, and then memory and disk say the same.
  // `staged` is a new path in staging/, which add() leaves behind when it throws.
  void add(Record const& record, fs::path const& staged);
  void replace(Record const& record);

  // begin_removal() succeeds if the volume has no live clones, and keeps new ones from starting;
  // otherwise it gives their number. Then remove() (writes; durable) or cancel_removal().
  std::size_t begin_removal(std::string const& name);
  void cancel_removal(std::string const& name);
  // Returns where in trash/ the record went.
  fs::path remove(std::string const& name);

  // Live clones, by snapshot and mount ID; they pin their stacks. start_clone() throws Refusal if
  // the snapshot is not any more what it was, or is being removed.
  void start_clone(CloneRecord const& clone, VolumePtr const& snapshot);
  void adopt_clone(CloneRecord const& clone);
  bool find_clone(std::string const& name, std::string const& mount_id, CloneRecord& found) const;
  void set_clone_count(CloneRecord const& clone);
  void end_clone(CloneRecord const& clone);
  // Those whose mount ID begins so.
  std::vector<CloneRecord> clones_of(std::string const& name,
                                     std::string const& beginning = "") const;
  // Of at most `most` of them, the newest first; and how many there are. The cost does not grow
  // with that number.
  std::vector<CloneAge> newest_clones_of(std::string const& name, std::size_t most) const;
  std::size_t number_of_clones(std::string const& name) const;

  // Who has a writable volume mounted, and how many they are.
  MountCounts counts(std::string const& name) const;
  std::size_t number_of_counts(std::string const& name) const;
  void set_counts(std::string const& name, MountCounts counts);

  void adopt_counts(std::string const& name, MountCounts counts);

  // Of an ID that has a clone or a volume mounted. It gets another one when it has been unmounted
  // and is mounted anew. 0 if it is not mounted, or has been since before this process.
  std::uint64_t serial(std::string const& name, std::string const& mount_id) const;

  // A Mount was lost with the process before this one, nobody knows of what, and engine 20.10 sends
  // an Unmount for it all the same. From now on an Unmount of what was adopted is no proof that
  // nobody uses it.
  void doubt_adopted();
  bool doubted(std::string const& name, std::string const& mount_id) const;

  // Keeps layers from being swept as long as it lives.
  class Pin {
   public:
    Pin() = default;
    Pin(Catalogue& catalogue, Stack layers);
    Pin(Pin&& other) noexcept;
    Pin& operator=(Pin&& other) noexcept;
    ~Pin();

   private:
    Catalogue* catalogue_ = nullptr;
    Stack layers_;
  };

  // Every layer that a record, a live clone or a pin names.
  std::set<std::string> needed_layers() const;

  // While a record cannot be read nobody knows which layers it needs: none may be swept.
  bool may_sweep() const;
  void never_sweep();

 private:
  struct Entry {
    VolumePtr volume;
    bool removing = false;
  };

  struct Newer {
    bool operator()(CloneRecord const* a, CloneRecord const* b) const {
      return std::tie(a->since, a->id) > std::tie(b->since, b->id);
    }
  };
  struct Clones {
    std::map<std::string, CloneRecord> by_id;    // by mount ID
    std::set<CloneRecord const*, Newer> by_age;  // the same
  };

  Volume read(std::string const& name) const;
  void keep(CloneRecord const& clone);
  void refuse_named_uppers();

  Pool const& pool_;

  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, Entry> volumes_;
  std::map<std::string, Clones> clones_;  // by snapshot; none is empty
  std::map<std::string, MountCounts> counts_;
  using Mount = std::pair<std::string, std::string>;  // volume, mount ID
  std::map<Mount, std::uint64_t> serials_;
  std::uint64_t last_serial_ = 0;
  std::set<Mount> adopted_;
  bool doubt_adopted_ = false;
  std::multiset<std::string> pinned_;
  bool may_sweep_ = true;
};

}  // namespace snapclone::volume
