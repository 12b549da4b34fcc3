// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clone/whole.hpp"

#include <vector>

namespace snapclone::clone {

// Trees as btrfs subvolumes: `fs` is one, a sealed one read-only. Capturing takes as long as what
// has to be written out of the page cache, whatever the size, and gives what the file system had at
// one moment, as after a power cut (btrfs-subvolume(8)).
//
// A subvolume that a container makes inside a tree would be an empty directory in a snapshot of it:
// capture() refuses and names it.
class BtrfsBackend final : public WholeTrees {
 public:
  using WholeTrees::WholeTrees;

  std::string_view name() const override { return "btrfs"; }
  bool atomic() const override { return true; }
  void prove(fs::path const& scratch) override;
  void make_tree(fs::path const& tree, Stack const& below) override;
  CopyReport capture(fs::path const& tree, fs::path const& into, Form form) override;
  void seal(fs::path const& tree) override;
};

}  // namespace snapclone::clone
