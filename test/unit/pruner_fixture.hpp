// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/manifest.hpp"
#include "kit/world.hpp"
#include "tree/disk_usage.hpp"

#include <cstdint>
#include <string>

namespace snapclone::test {

inline constexpr std::uint64_t kMega = 1U << 20U;  // also what a pool keeps back for its start

struct Pruned : World {
  Pruned() = default;
  Pruned(fs::path const& directory, std::string const& backend) : World(directory, backend) {}

  // Clones that are being deleted still use their layers.
  std::uint64_t prune() {
    process->trash.wait();
    std::uint64_t bytes = process->store.parts().pruner.round();
    process->trash.wait();
    return bytes;
  }
  std::uint64_t held() const {
    process->trash.wait();
    sys::sync_filesystem(sys::open_dir(disk.path).get());
    tree::DiskUsage usage = tree::disk_usage(disk.path / "pool");
    return usage.own + usage.shared;
  }
  template <class Work>
  void change(std::string const& name, Work const& work) {
    work(mount(name, "writer"));
    unmount(name, "writer");
  }
  Manifest shown(std::string const& name) {
    Manifest all = manifest(mount(name, "reader"));
    unmount(name, "reader");
    return without_access_times(std::move(all));
  }
  std::uint64_t shown_size(std::string const& name) {
    std::uint64_t size = fs::file_size(mount(name, "reader") / "file");
    unmount(name, "reader");
    return size;
  }
  // The sealed layers of a snapshot hold so many files of this name.
  int files_called(std::string const& snapshot, std::string const& file) const {
    int count = 0;
    for (auto const& layer : find(snapshot)->record.stack) {
      count += fs::exists(process->pool.tree(layer) / file) ? 1 : 0;
    }
    return count;
  }
};

inline std::string text(char letter, std::uint64_t size) { return std::string(size, letter); }

}  // namespace snapclone::test
