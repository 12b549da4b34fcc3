// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"
#include "sys/mutex.hpp"
#include "volume/layer_watch.hpp"
#include "volume/live_mounts.hpp"
#include "volume/record.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace snapclone::volume {

using pool::Pool;
namespace fs = boost::filesystem;

// A volume or snapshot as it stands; replaced as a whole when it changes.
struct Volume {
  Record record;
  std::string unreadable = {};  // the sentence that says why. Then only the name is known
};
using VolumePtr = std::shared_ptr<Volume const>;

// Knows what exists: the records of volumes, which are durable before memory shows them; what is
// mounted during this boot (live_mounts.hpp); and which layers both need.
//
// Safe from every thread. Its mutex is the last in the order of locks (ARCHITECTURE.md): nothing
// else is locked while it is held, and no input or output is done. Functions that write say so; two
// of them for one name must not run at once (store.hpp sees to that).
class Catalogue {
 public:
  explicit Catalogue(Pool const& pool) : pool_(pool) {}

  // Reads every record. One that cannot be read keeps its name and is logged.
  void load();

  VolumePtr find(VolumeName const& name) const;
  std::vector<VolumePtr> all() const;

  // Writes. Both are durable when they return. add() makes the volume wholly or not at all;
  // replace() may fail after the record was replaced, and then memory and disk say the same.
  // `staged` is a new path in staging/, which add() leaves behind when it throws.
  void add(Record const& record, fs::path const& staged);
  // The same with a record's text as another pool has it. It may also throw when the volume is
  // there, and then that may not survive a power cut.
  void adopt(std::string const& text, fs::path const& staged);
  void replace(Record const& record);

  // The removal of a volume. While the object lives, no clone of the volume can start.
  class Removal {
   public:
    // `name` is in the catalogue.
    Removal(Catalogue& catalogue, VolumeName name);
    Removal(Removal const&) = delete;
    Removal& operator=(Removal const&) = delete;
    ~Removal();

    std::size_t live_clones() const { return live_clones_; }
    // Writes; durable. Only without live clones. Returns where in trash/ the volume's directory
    // went. When it throws the volume is still there.
    fs::path commit();

   private:
    Catalogue& catalogue_;
    VolumeName const name_;
    std::size_t live_clones_ = 0;
  };

  // A live clone pins its stack, and announces it to watch(). start_clone() throws Refusal if the
  // snapshot was replaced or removed meanwhile, or is being removed.
  void start_clone(CloneRecord const& clone, VolumePtr const& snapshot);

  // The rest of what is mounted: LiveMounts under the mutex.
  void adopt_clone(CloneRecord const& clone);
  void set_clone_count(CloneRecord const& clone);
  void end_clone(CloneRecord const& clone);
  std::optional<CloneRecord> find_clone(VolumeName const& name, MountId const& mount_id) const;
  std::size_t number_of_clones(VolumeName const& name) const;
  std::vector<CloneRecord> clones_of(VolumeName const& name) const;
  MatchingClones matching_clones(VolumeName const& name, std::string const& beginning,
                                 std::size_t most) const;
  std::vector<CloneAge> newest_clones(VolumeName const& name, std::size_t most) const;
  MountCounts counts(VolumeName const& name) const;
  std::size_t number_of_counts(VolumeName const& name) const;
  void set_counts(VolumeName const& name, MountCounts counts);
  void adopt_counts(VolumeName const& name, MountCounts counts);
  std::uint64_t serial(VolumeName const& name, MountId const& mount_id) const;
  void doubt_adopted();
  bool doubted(VolumeName const& name, MountId const& mount_id) const;

  // Keeps layers from being swept while it lives. It announces them to watch().
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

  // Whether a live clone or a pin names one of the layers. Mounted volumes do not count.
  bool uses(std::set<std::string> const& layers) const;
  LayerWatch& watch() { return watch_; }

  // False while a record cannot be read: nobody knows which layers it needs.
  bool may_sweep() const;
  void never_sweep();

 private:
  struct Entry {
    VolumePtr volume;
    bool removing = false;
  };

  Volume read(VolumeName const& name) const;
  void commit(Record const& record, std::string const& text, fs::path const& staged) const;
  void refuse_named_uppers();

  Pool const& pool_;
  LayerWatch watch_;

  mutable sys::Mutex mutex_;
  std::map<VolumeName, Entry> volumes_ GUARDED_BY(mutex_);
  LiveMounts live_ GUARDED_BY(mutex_);
  std::multiset<std::string> pinned_ GUARDED_BY(mutex_);
  bool may_sweep_ GUARDED_BY(mutex_) = true;
};

}  // namespace snapclone::volume
