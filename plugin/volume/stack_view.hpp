// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "volume/mount_points.hpp"

namespace snapclone::volume {

// What a stack of two or more layers shows, mounted read-only while the object lives. The caller
// keeps the layers from being swept.
class StackView {
 public:
  // Throws sys::Error.
  StackView(MountPoints const& points, backend::Backend& backend, Stack const& stack);
  ~StackView();
  StackView(StackView const&) = delete;
  StackView& operator=(StackView const&) = delete;

  fs::path const& path() const { return path_; }

 private:
  fs::path const path_;
};

}  // namespace snapclone::volume
