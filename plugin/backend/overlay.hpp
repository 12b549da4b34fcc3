// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"

namespace snapclone::backend {

inline constexpr char kOverlayOptions[] =
    "redirect_dir=on,index=off,metacopy=off,nfs_export=off,xino=auto";

// Overlayfs' own scratch directory, beside a tree's content while the tree is an upper.
inline fs::path work_of(fs::path const& tree) { return tree / "work"; }

// Trees as overlayfs uppers over their stack: on ext4, xfs, tmpfs and whatever else the kernel
// takes as an upper (Documentation/filesystems/overlayfs.rst).
//
// Options are spelled out because distributions change the module's defaults:
//  - redirect_dir=on: a directory of a lower layer can be renamed.
//  - index=off: with the index on, hard links are joined in the work directory, and sealing an
//    upper without it would take back what was written through one of them. The price: a hard link
//    in a sealed layer breaks at its first write.
//  - metacopy=off: an upper holds whole files, so that it can be sealed.
//  - volatile (a clone only): it dies with its mount, so syncing it would be waste. Unmounting does
//    not sync either.
//
// An access=ro clone has an upper and work directory too, because only an upper marks an overlay as
// in use. A volume over an empty stack is an overlay over one shared empty layer for the same
// reason, and because a plain directory would let a container write what overlayfs takes for its
// own marks once the tree is sealed.
// A tree that is being written can be captured by copying its upper, with the marks that overlayfs
// puts there, below the overlay: what a container has in its page cache is read as well, since the
// upper's files are the ones it has open.
class OverlayBackend final : public Backend {
 public:
  // `probes` is a scratch directory outside the pool, for instance on a tmpfs: deleting from a full
  // pool must not need space there.
  OverlayBackend(Pool const& pool, fs::path probes) : Backend(pool), probes_(std::move(probes)) {}

  std::string_view name() const override { return "overlay"; }
  bool layered() const override { return true; }
  bool captures_atomically() const override { return false; }
  bool copies() const override { return false; }
  bool can_probe() const override { return true; }
  void self_test(fs::path const& mount_point) override;
  void make_tree(fs::path const& tree, Stack const& below) override;
  CopyReport capture(fs::path const& tree, fs::path const& into, Form form) override;
  void seal(fs::path const& tree) override;
  std::optional<fs::path> leftover_work(fs::path const& tree) const override;
  void mount(fs::path const& tree, Stack const& below, Access access, std::string const& source,
             fs::path const& target) override;
  void view(Stack const& stack, fs::path const& target) override;
  bool unchanged(fs::path const& tree, Stack const& below) override;

 private:
  Use probe(fs::path const& tree) override;
  std::vector<std::string> lower_paths(Stack const& below) const;
  void mount(std::vector<std::string> lower, fs::path const& tree, Access access,
             std::string const& source, fs::path const& target) const;

  fs::path const probes_;
};

}  // namespace snapclone::backend
