// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clone/pool.hpp"
#include "volume/record.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace snapclone::volume {

using clone::Pool;
namespace fs = boost::filesystem;

// A volume or snapshot as it stands; replaced as a whole when it changes.
struct Volume {
  Record record;
  std::string unreadable;  // not empty: the sentence that says why. Then only the name is known
};
using VolumePtr = std::shared_ptr<Volume const>;

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
  std::vector<CloneRecord> clones_of(std::string const& name) const;

  // Who has a writable volume mounted.
  MountCounts counts(std::string const& name) const;
  void set_counts(std::string const& name, MountCounts counts);

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

  Volume read(std::string const& name) const;
  void refuse_named_uppers();

  Pool const& pool_;

  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, Entry> volumes_;
  std::map<std::string, std::map<std::string, CloneRecord>> clones_;
  std::map<std::string, MountCounts> counts_;
  std::multiset<std::string> pinned_;
  bool may_sweep_ = true;
};

}  // namespace snapclone::volume
