// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/bind_mounted.hpp"

namespace snapclone::backend {

// Trees as plain directories. Making one over a snapshot, and capturing one, is a copy, which
// shares content where the file system can (copy_tree.hpp). Works on every local file system that
// keeps owners, modes and links, even on an overlay.
class CopyBackend final : public BindMounted {
 public:
  using BindMounted::BindMounted;

  std::string_view name() const override { return "copy"; }
  bool captures_atomically() const override { return false; }
  bool copies() const override { return true; }
  void self_test(fs::path const& mount_point) override;
  void make_tree(fs::path const& tree, Stack const& below) override;
  CopyReport capture(fs::path const& tree, fs::path const& into, Form form) override;
  void seal(fs::path const& /*tree*/) override {}
};

}  // namespace snapclone::backend
