// SPDX-License-Identifier: Apache-2.0
#include "pool/disk_errors.hpp"

#include "sys/error.hpp"
#include "sys/log.hpp"

namespace snapclone::pool {

DiskErrors::DiskErrors(fs::path const& pool) : pool_(pool.string()), root_(sys::open_dir(pool)) {}

// One caller syncs for all that wait when it begins. So whoever returns without an error knows that
// no other call was told of one that is not counted yet.
std::uint64_t DiskErrors::sync() {
  sys::MutexLock lock(mutex_);
  std::uint64_t const mine = ++wanted_;
  while (served_ < mine) {
    if (syncing_) {
      wake_.wait(mutex_);
      continue;
    }
    syncing_ = true;
    std::uint64_t const serving = wanted_;
    mutex_.unlock();
    int code = sys::sync_filesystem(root_.get());
    if (code != 0) log(code);
    mutex_.lock();
    syncing_ = false;
    served_ = serving;
    count_ += code == 0 ? 0 : 1;
    wake_.notify_all();
  }
  return count_;
}

void DiskErrors::log(int code) const {
  sys::log_warning("the file system of the pool " + pool_ + " reports that a write failed (" +
                   sys::errno_text(code) +
                   "): of the pool, or of anything else on that disk. The kernel's log (dmesg) may "
                   "say more");
}

std::uint64_t DiskErrors::count() const {
  sys::MutexLock lock(mutex_);
  return count_;
}

}  // namespace snapclone::pool
