// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/bind_mounted.hpp"

#include <vector>

namespace snapclone::backend {

// Trees as btrfs subvolumes: `fs` is one, read-only when the tree is sealed. Capturing writes out
// the page cache and takes no longer for a larger tree. It gives the content at one moment, as
// after a power cut (btrfs-subvolume(8)).
//
// If a container made a subvolume inside a tree, capture() refuses and names it: in a snapshot it
// would be an empty directory.
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
