// SPDX-License-Identifier: Apache-2.0
#include "backend/temporary.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "tree/remove_tree.hpp"

namespace snapclone::backend {

TemporaryDirectory::TemporaryDirectory(fs::path const& parent) : path_(parent / sys::random_id()) {
  sys::make_dir(path_);
}

TemporaryDirectory::~TemporaryDirectory() {
  try {
    tree::remove_tree(path_);
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
  }
}

Unmounter::~Unmounter() {
  try {
    sys::unmount(target);
  } catch (sys::Error const& error) {
    // The next start unmounts it. EINVAL: nothing had been mounted yet.
    if (error.code() != EINVAL) sys::log_warning(error.what());
  }
}

}  // namespace snapclone::backend
