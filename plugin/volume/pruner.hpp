// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "sys/background_thread.hpp"
#include "volume/catalogue.hpp"
#include "volume/disk_use.hpp"
#include "volume/mount_points.hpp"
#include "volume/trash.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace snapclone::volume {

// For each layer that is the topmost of none of the stacks: the topmost layers of the shortest
// stacks that have it. If these hide an entry of the layer, every stack does. A layer always lies
// on the same layers.
std::map<std::string, std::set<std::string>> seen_through(std::vector<Stack> const& stacks);

// Gives back the space of what no volume and no snapshot shows any more (layered backends).
//
// Removing a snapshot frees no layer that another stack still needs, though most of the layer may
// be hidden by those above it. The Pruner finds such files (tree/hidden_entries.hpp) and moves them
// to staging/ and on to the trash. Every stack shows the same at every moment, so a crash
// leaves only files in staging/, which the next start deletes.
//
// It leaves alone every layer that a live clone or a running Create uses, and gives up when one
// begins to. Below a mounted volume only files go, and only those that sealed layers hide; below an
// idle one also what its upper hides. While a record cannot be read it does nothing.
//
// It works on a thread of its own at the lowest priority, which rests four times as long as it
// works. A layer is looked at again only if other stacks have it by then, or a volume on it has
// been mounted since.
class Pruner {
 public:
  Pruner(Pool const& pool, MountPoints const& points, backend::Backend& backend,
         Catalogue& catalogue, Trash& trash, DiskUseSampler& disk_use)
      : pool_(pool),
        points_(points),
        backend_(backend),
        catalogue_(catalogue),
        trash_(trash),
        disk_use_(disk_use) {}
  Pruner(Pruner const&) = delete;
  Pruner& operator=(Pruner const&) = delete;

  // The shortest pause between two rounds. Throws sys::Error. The destructor ends the thread.
  void start(std::chrono::milliseconds pause);

  // One round, on the calling thread: for the thread, and for tests. Throws sys::Cancelled. Returns
  // how many bytes it gave back.
  std::uint64_t round(std::stop_token const& stop = {});

 private:
  using Tops = std::set<std::string>;
  using Layers = std::set<std::string>;
  struct Plan {
    std::map<std::string, Stack> stacks;  // by their topmost layer
    std::vector<VolumePtr> volumes;

    std::map<std::string, Tops> seen_through() const;
  };

  void run(std::chrono::milliseconds pause, std::stop_token const& stop);
  Plan plan(Layers const& layers = {}) const;
  std::optional<bool> files_only(Plan const& plan);
  void sync() const;
  std::uint64_t prune(Tops const& tops, Layers const& layers, std::stop_token const& stop);

  Pool const& pool_;
  MountPoints const& points_;
  backend::Backend& backend_;
  Catalogue& catalogue_;
  Trash& trash_;
  DiskUseSampler& disk_use_;

  // Layers that hide nothing more, and what they were seen through.
  std::map<std::string, Tops> done_;
  std::optional<sys::BackgroundThread> thread_;  // last: it uses all the others
};

}  // namespace snapclone::volume
