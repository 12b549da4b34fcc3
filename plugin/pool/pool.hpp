// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/disk_errors.hpp"
#include "pool/format.hpp"
#include "sys/file.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace snapclone::pool {

namespace fs = boost::filesystem;

// Layer ids, topmost (newest) first.
using Stack = std::vector<std::string>;
bool has_any(Stack const& stack, std::set<std::string> const& layers);

// Whether a pool has anything that a backend made: volumes, layers or clones, or remains of them.
// False where there is no pool.
bool holds_trees(fs::path const& root);

// Whether a process that was killed has left there what it was making.
bool holds_unfinished(fs::path const& root);

// Makes an empty pool with this identity, or gives it to one. Durable, as a whole or not at all.
void make_empty_pool(fs::path const& root, std::string const& identity);

// Throws, as the constructor of Pool does, if a process has this pool.
void check_not_in_use(fs::path const& root);

// The directory that holds everything. The constructor makes what is missing, and takes the lock
// without waiting: two processes on one pool would delete each other's clones. It refuses a pool of
// a newer format, a directory with other things in it, and one that others than root could change.
// It makes every entry root's alone. Constant after construction, but for set_backend(), so safe
// from every thread.
//
//   format                      what it is: pool/format.hpp
//   lock                        flock(2), for the life of the process
//   reserve                     1 MiB of nothing, or less on a full disk
//   moving                      while volumes are moved into another pool, or from one: which move
//   empty/                      the layer below every first upper; never written
//   layers/<id>/fs              a tree: written by one volume, or sealed and in stacks; never both
//   layers/<id>/work            overlayfs' work directory, while the tree is an upper
//   layers/<id>/held            backend/backend.hpp
//   volumes/<name>/volume.json  record of a volume or snapshot (volume/record.hpp)
//   clones/<boot id>/<id>/      a live clone: clone.json, fs, work, held. Dead with its boot
//   mounts/<boot id>/<name>     who has a volume mounted: a count for each mount ID
//   staging/<id>/               being made; nothing here was ever promised
//   trash/<kind>-<id>           waiting for the deleter (volume/trash.hpp)
class Pool {
 public:
  // `on_host` is the directory's path on the host, for messages; "": the same.
  explicit Pool(fs::path root, std::string const& on_host = "");

  fs::path const& root() const { return root_; }
  int descriptor() const { return descriptor_.get(); }  // for relative paths

  // The failed writes of the file system that holds the pool. This object counts them from before
  // the plugin changed anything there.
  DiskErrors& disk_errors() const { return *disk_errors_; }

  fs::path empty() const { return root_ / "empty"; }
  fs::path layers() const { return root_ / "layers"; }
  fs::path layer(std::string const& id) const { return layers() / id; }
  fs::path tree(std::string const& layer_id) const { return content(layer(layer_id)); }
  fs::path moving() const { return root_ / "moving"; }
  fs::path volumes() const { return root_ / "volumes"; }
  fs::path volume(std::string const& name) const { return volumes() / name; }
  fs::path record(std::string const& name) const { return record_in(volume(name)); }
  fs::path clones() const { return root_ / "clones" / boot_; }
  fs::path clone(std::string const& id) const { return clones() / id; }
  fs::path clone_record(std::string const& id) const { return clone_record_in(clone(id)); }
  fs::path mounts() const { return root_ / "mounts" / boot_; }
  fs::path staging() const { return root_ / "staging"; }
  fs::path trash() const { return root_ / "trash"; }
  std::string const& boot() const { return boot_; }

  // The record in a volume's directory, the record in a clone's, and the content in a layer's or a
  // clone's, wherever that directory lies now.
  static fs::path record_in(fs::path const& volume) { return volume / "volume.json"; }
  static fs::path clone_record_in(fs::path const& clone) { return clone / "clone.json"; }
  static fs::path content(fs::path const& tree) { return tree / "fs"; }

  // Random; it never changes.
  std::string const& identity() const { return format_.identity; }

  // The backend that made the pool's trees, which alone can use them; "" while there are none.
  // set_backend() is durable. It is for the start, before there are other threads.
  std::string backend() const;
  void set_backend(std::string const& name);

  // A full disk must not keep the plugin from starting. So the file `reserve` keeps back the space
  // that a start needs. Opening the pool frees it, as take_reserve() does. keep_reserve() makes it
  // again, or throws sys::Error.
  void take_reserve() const;
  void keep_reserve() const;

  // `path`, which lies in the pool, relative to root().
  std::string relative(fs::path const& path) const;

 private:
  fs::path root_;
  std::string boot_;
  sys::Fd lock_;
  sys::Fd descriptor_;
  std::unique_ptr<DiskErrors> disk_errors_;
  PoolFormat format_;
};

}  // namespace snapclone::pool
