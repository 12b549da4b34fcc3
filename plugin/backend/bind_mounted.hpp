// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"

namespace snapclone::backend {

// The base of backends whose trees hold everything themselves: they mount a tree by binding its
// `fs`. A bind mount leaves no mark on the directory, so the kernel cannot tell who uses it.
class BindMounted : public Backend {
 public:
  // `probes` is a directory outside the pool, for mounts that last a moment.
  BindMounted(Pool const& pool, fs::path probes) : Backend(pool), probes_(std::move(probes)) {}

  bool layered() const override { return false; }
  bool can_probe() const override { return false; }
  void mount(fs::path const& tree, Stack const& below, Access access, std::string const& source,
             fs::path const& target) override;
  void view(Stack const& stack, fs::path const& target) override;
  bool unchanged(fs::path const& tree, Stack const& below) override;

 protected:
  Use probe(fs::path const& /*tree*/) override { return Use::free; }

 private:
  fs::path const probes_;
};

}  // namespace snapclone::backend
