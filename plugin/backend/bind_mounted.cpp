// SPDX-License-Identifier: Apache-2.0
#include "backend/bind_mounted.hpp"

#include "backend/scratch.hpp"
#include "sys/mount.hpp"

#include <stdexcept>

namespace snapclone::backend {

void BindMounted::mount(fs::path const& tree, Stack const& /*below*/, Access access,
                        std::string const& /*source*/, fs::path const& target) {
  if (access != Access::read_only) return sys::bind(Pool::content(tree), target);
  // A mount that is made read-only later would stay writable where it has been propagated to.
  Scratch scratch(scratch_);
  sys::bind(Pool::content(tree), scratch.path());
  Unmounter unmounter{scratch.path()};
  sys::make_bind_read_only(scratch.path());
  sys::bind(scratch.path(), target);
}

void BindMounted::view(Stack const& /*stack*/, fs::path const& /*target*/) {
  throw std::logic_error("whole trees are not laid over each other");
}

bool BindMounted::unchanged(fs::path const& /*tree*/, Stack const& /*below*/) { return false; }

}  // namespace snapclone::backend
