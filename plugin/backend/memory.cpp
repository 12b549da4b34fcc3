// SPDX-License-Identifier: Apache-2.0
#include "backend/memory.hpp"

#include "backend/overlay.hpp"
#include "backend/self_test.hpp"
#include "backend/temporary.hpp"
#include "sys/mount.hpp"
#include "tree/attributes.hpp"
#include "tree/remove_tree.hpp"

namespace snapclone::backend {
namespace {

constexpr std::uint64_t kBytesForEachFile = 4096;
constexpr std::uint64_t kTrialSize = 1 << 20;

}  // namespace

void make_memory_tree(Pool const& pool, fs::path const& tree, Stack const& below,
                      std::uint64_t bytes) {
  // With inode32, the kernel's default, a new file may get another one's number after 2^32 files.
  sys::mount_tmpfs(tree, "mode=0700,inode64,size=" + std::to_string(bytes) +
                             ",nr_inodes=" + std::to_string(bytes / kBytesForEachFile));
  sys::make_dir(Pool::content(tree), kNewVolumeMode);
  sys::make_dir(work_of(tree));
  tree::DirectoryAttributes root = tree::read_attributes(pool.tree(below.front()));
  std::erase_if(root.xattrs, [](auto const& xattr) { return xattr.first.rfind("btrfs.", 0) == 0; });
  tree::write_attributes(Pool::content(tree), root);
}

void mount_memory_tree(Pool const& pool, fs::path const& tree, Stack const& below,
                       std::string const& source, fs::path const& target) {
  sys::Overlay overlay;
  overlay.base = pool.descriptor();
  overlay.source = source;
  for (auto const& id : below) overlay.lower.push_back(pool.relative(pool.tree(id)));
  overlay.upper = (Pool::content(tree)).string();
  overlay.work = (work_of(tree)).string();
  // A volatile overlay is refused after a failed write on the upper's file system
  // (OverlayBackend::mount_volatile). That is this clone's own tmpfs, which has none.
  overlay.options = std::string(kOverlayOptions) + ",volatile,xino=off";  // the last xino counts
  sys::mount_overlay(overlay, target);
}

void self_test_memory(Pool const& pool, fs::path const& probes, Stack const& below) {
  TemporaryDirectory trial(probes);
  fs::path memory = trial.path() / "memory";
  fs::path clone = trial.path() / "clone";
  sys::make_dir(memory);
  sys::make_dir(clone);
  Unmounter memory_unmounter{memory};
  make_memory_tree(pool, memory, below, kTrialSize);
  Unmounter clone_unmounter{clone};
  mount_memory_tree(pool, memory, below, "trial", clone);
  sys::write_file(clone / "new", "text", sys::Durability::process);
  expect(sys::read_file(clone / "new") == "text", "a write to a clone in memory is lost");
}

}  // namespace snapclone::backend
