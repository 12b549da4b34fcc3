// SPDX-License-Identifier: Apache-2.0
#include "backend/bind_mounted.hpp"

#include "backend/temporary.hpp"
#include "sys/mount.hpp"

#include <stdexcept>

namespace snapclone::backend {

void BindMounted::mount(fs::path const& tree, Stack const& /*below*/, Access access,
                        std::string const& /*source*/, fs::path const& target) {
  if (access != Access::read_only) return sys::bind(Pool::content(tree), target);
  // If it became read-only at `target`, the copies that were propagated from there would not.
  TemporaryDirectory temporary(probes_);
  sys::bind(Pool::content(tree), temporary.path());
  Unmounter unmounter{temporary.path()};
  sys::make_bind_read_only(temporary.path());
  sys::bind(temporary.path(), target);
}

void BindMounted::view(Stack const& /*stack*/, fs::path const& /*target*/) {
  throw std::logic_error("these trees are not laid over each other");
}

bool BindMounted::unchanged(fs::path const& /*tree*/, Stack const& /*below*/) { return false; }

}  // namespace snapclone::backend
