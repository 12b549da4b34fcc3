// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.hpp"

#include "sys/error.hpp"
#include "tree/remove_tree.hpp"
#include "tree/subvolume.hpp"

namespace snapclone::backend {

Use Backend::use_of(fs::path const& tree) {
  fs::path held = tree / "held";
  if (sys::exists(held) && sys::read_file(held) == pool_.boot()) return Use::unknown;
  return probe(tree);
}

void Backend::hold_until_boot(fs::path const& tree) const {
  try {
    sys::write_file(tree / "held", pool_.boot(), sys::Durability::process);
  } catch (sys::Error const& error) {
    if (error.code() != ENOSPC) throw;
    pool_.take_reserve();  // the next start keeps it again
    sys::write_file(tree / "held", pool_.boot(), sys::Durability::process);
  }
}

void Backend::remove(fs::path const& root, std::function<void()> const& pace) const {
  tree::remove_tree(root, pace, tree::remove_subvolume);
}

CopyReport Backend::copy(fs::path const& from, fs::path const& to, bool shown) const {
  tree::CopyOptions options;
  options.shown = shown;
  options.cancelled = [this] { return cancelled_.load(); };
  return tree::copy_tree(from, to, options);
}

}  // namespace snapclone::backend
