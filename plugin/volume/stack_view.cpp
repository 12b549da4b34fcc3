// SPDX-License-Identifier: Apache-2.0
#include "volume/stack_view.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"

namespace snapclone::volume {
namespace {

void clear_or_log(fs::path const& view) {
  try {
    clear_mount_point(view);
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());  // the next start tries again
  }
}

}  // namespace

StackView::StackView(MountPoints const& points, backend::Backend& backend, Stack const& stack)
    : path_(points.view(sys::random_id())) {
  sys::ensure_dir(path_);
  try {
    backend.view(stack, path_);
  } catch (...) {
    clear_or_log(path_);
    throw;
  }
}

StackView::~StackView() { clear_or_log(path_); }

}  // namespace snapclone::volume
