// SPDX-License-Identifier: Apache-2.0
#include "clone/backend.hpp"

#include "clone/subvolume.hpp"
#include "clone/tree.hpp"
#include "sys/error.hpp"

namespace snapclone::clone {

Use Backend::use_of(fs::path const& tree) {
  fs::path held = tree / "held";
  if (sys::exists(held) && sys::read_file(held) == pool_.boot()) return Use::unknown;
  return probe(tree);
}

void Backend::hold(fs::path const& tree) const {
  try {
    sys::write_file(tree / "held", pool_.boot(), sys::Durability::process);
  } catch (sys::Error const& error) {
    if (error.code() != ENOSPC) throw;
    pool_.take_reserve();  // the next start keeps it again
    sys::write_file(tree / "held", pool_.boot(), sys::Durability::process);
  }
}

void Backend::remove(fs::path const& root, std::function<void()> const& pace) const {
  remove_tree(root, pace, remove_subvolume);
}

CopyReport Backend::copy(fs::path const& from, fs::path const& to, bool shown) const {
  CopyOptions options;
  options.shown = shown;
  options.cancelled = [this] { return cancelled_.load(); };
  return copy_tree(from, to, options);
}

}  // namespace snapclone::clone
