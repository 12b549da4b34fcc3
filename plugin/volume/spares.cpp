// SPDX-License-Identifier: Apache-2.0
#include "volume/spares.hpp"

#include "sys/error.hpp"
#include "sys/log.hpp"

namespace snapclone::volume {

bool Spares::keep(CloneRecord const& clone) {
  std::lock_guard lock(mutex_);
  if (kept_.count(clone.volume) != 0) return false;
  try {
    sys::remove_file(pool_.clone_record(clone.id));
    sys::rename_new(pool_.clone(clone.id), pool_.staging() / clone.id);
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
    return false;
  }
  kept_[clone.volume] = clone;
  return true;
}

bool Spares::use(CloneRecord const& clone) {
  std::lock_guard lock(mutex_);
  auto found = kept_.find(clone.volume);
  if (found == kept_.end() || found->second.stack != clone.stack) return false;
  fs::path spare = pool_.staging() / found->second.id;
  kept_.erase(found);
  try {
    sys::rename_new(spare, pool_.clone(clone.id));
    return true;
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
    return false;
  }
}

void Spares::forget(std::string const& snapshot) {
  std::lock_guard lock(mutex_);
  auto found = kept_.find(snapshot);
  if (found == kept_.end()) return;
  fs::path spare = pool_.staging() / found->second.id;
  kept_.erase(found);
  trash_.drop(spare, TrashKind::other);
}

}  // namespace snapclone::volume
