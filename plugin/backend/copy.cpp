// SPDX-License-Identifier: Apache-2.0
#include "backend/copy.hpp"

#include "backend/self_test.hpp"
#include "backend/temporary.hpp"
#include "sys/error.hpp"
#include "tree/subvolume.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

namespace snapclone::backend {

void CopyBackend::self_test(fs::path const& mount_point) {
  struct statfs status {};
  if (statfs(pool_.root().c_str(), &status) != 0) sys::fail("look at", pool_.root().string());
  if (status.f_type == BTRFS_SUPER_MAGIC) tree::refuse_deletable_subvolumes(pool_.staging());
  TemporaryDirectory trial(pool_.staging());
  fs::path sealed = trial.path() / "sealed";
  fs::path tree = trial.path() / "clone";
  sys::make_dir(sealed);
  sys::make_dir(tree);
  make_tree(sealed, {});
  fill_trial(Pool::content(sealed));
  capture(sealed, tree, Form::writable);
  mount(tree, {}, Access::throwaway, "", mount_point);
  Unmounter unmounter{mount_point};
  use_trial(mount_point, Pool::content(sealed));
}

void CopyBackend::make_tree(fs::path const& tree, Stack const& below) {
  sys::make_dir(Pool::content(tree), kNewVolumeMode);
  if (!below.empty()) copy(pool_.tree(below.front()), Pool::content(tree));
}

CopyReport CopyBackend::capture(fs::path const& tree, fs::path const& into, Form /*form*/) {
  sys::make_dir(Pool::content(into), kNewVolumeMode);
  return copy(Pool::content(tree), Pool::content(into));
}

}  // namespace snapclone::backend
