// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/bind_mounted.hpp"

#include <vector>

namespace snapclone::backend {

// Trees as btrfs subvolumes: `fs` is one, in a sealed tree a read-only one. Capturing takes as long
// as writing dirty pages out, whatever the tree's size. It gives the tree's state at one moment, as
// after a power cut (btrfs-subvolume(8)).
//
// A subvolume that a container made inside a tree would be an empty directory in a snapshot. So
// capture() refuses, and names it.
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
