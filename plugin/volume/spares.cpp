// SPDX-License-Identifier: Apache-2.0
#include "volume/spares.hpp"

#include "sys/error.hpp"
#include "sys/log.hpp"

namespace snapclone::volume {

bool Spares::keep(CloneRecord const& clone) {
  sys::MutexLock lock(mutex_);
  if (kept_.count(clone.volume) != 0) return false;
  fs::path spare = pool_.staging() / clone.id;
  try {
    sys::rename_new(pool_.clone(clone.id), spare);
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
    return false;
  }
  try {
    sys::remove_file(Pool::clone_record_in(spare));
    kept_.emplace(clone.volume, clone);
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
    trash_.drop(spare, TrashKind::other);  // with its old record it must never become a clone
  }
  return true;
}

bool Spares::use(CloneRecord const& clone) {
  sys::MutexLock lock(mutex_);
  auto found = kept_.find(clone.volume);
  if (found == kept_.end() || found->second.stack != clone.stack) return false;
  fs::path spare = pool_.staging() / found->second.id;
  kept_.erase(found);
  try {
    sys::rename_new(spare, pool_.clone(clone.id));
    return true;
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
    trash_.drop(spare, TrashKind::other);
    return false;
  }
}

void Spares::forget(VolumeName const& snapshot) {
  sys::MutexLock lock(mutex_);
  auto found = kept_.find(snapshot);
  if (found == kept_.end()) return;
  fs::path spare = pool_.staging() / found->second.id;
  kept_.erase(found);
  trash_.drop(spare, TrashKind::other);
}

}  // namespace snapclone::volume
