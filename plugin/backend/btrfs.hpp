// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/bind_mounted.hpp"

#include <vector>

namespace snapclone::backend {

// Trees as btrfs subvolumes: `fs` is one, a sealed one read-only. Capturing takes as long as what
// has to be written out of the page cache, whatever the size, and gives what the file system had at
// one moment, as after a power cut (btrfs-subvolume(8)).
//
// A subvolume that a container makes inside a tree would be an empty directory in a snapshot of it:
// capture() refuses and names it.
class BtrfsBackend final : public BindMounted {
 public:
  using BindMounted::BindMounted;

  std::string_view name() const override { return "btrfs"; }
  bool captures_atomically() const override { return true; }
  bool copies() const override { return false; }
  void self_test(fs::path const& mount_point) override;
  void make_tree(fs::path const& tree, Stack const& below) override;
  CopyReport capture(fs::path const& tree, fs::path const& into, Form form) override;
  void seal(fs::path const& tree) override;
};

}  // namespace snapclone::backend
