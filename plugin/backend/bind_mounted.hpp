// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"

namespace snapclone::backend {

// The common part of the backends whose trees hold everything themselves: they mount a tree by
// binding its `fs`. A bind mount leaves no mark on the tree, so the kernel cannot be asked who uses
// it.
class BindMounted : public Backend {
 public:
  // `scratch` is a directory outside the pool, for mounts that last a moment.
  BindMounted(Pool const& pool, fs::path scratch) : Backend(pool), scratch_(std::move(scratch)) {}

  bool layered() const override { return false; }
  bool can_probe() const override { return false; }
  void mount(fs::path const& tree, Stack const& below, Access access, std::string const& source,
             fs::path const& target) override;
  void view(Stack const& stack, fs::path const& target) override;
  bool unchanged(fs::path const& tree, Stack const& below) override;

 protected:
  Use probe(fs::path const& /*tree*/) override { return Use::free; }

 private:
  fs::path const scratch_;
};

}  // namespace snapclone::backend
