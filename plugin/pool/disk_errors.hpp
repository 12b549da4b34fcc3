// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "sys/mutex.hpp"

#include <condition_variable>
#include <cstdint>
#include <string>

namespace snapclone::pool {

namespace fs = boost::filesystem;

// The failed writes of the file system that holds the pool. Anyone's write counts: the kernel tells
// syncfs(2) that something was lost, but not which file's. It tells each open file once, and while
// nobody was told it refuses every volatile overlay. So such an error says nothing about our files.
// This class logs and counts it. A caller that must know whether its own files are whole syncs them
// one by one (tree/sync_tree.hpp). Safe from every thread.
class DiskErrors {
 public:
  // Errors that nobody was told of before count as well. Throws sys::Error.
  explicit DiskErrors(fs::path const& pool);

  // Writes out everything dirty in the file system. Returns the number of errors since the object
  // was made, with those that this call was told of. Blocks; calls at the same time share the work.
  std::uint64_t sync();

  // The number so far; does not ask the kernel.
  std::uint64_t count() const;

 private:
  void log(int code) const;

  std::string const pool_;
  sys::Fd const root_;

  mutable sys::Mutex mutex_;  // not held while the kernel works
  std::condition_variable_any wake_;
  bool syncing_ GUARDED_BY(mutex_) = false;
  std::uint64_t wanted_ GUARDED_BY(mutex_) = 0;  // calls of sync() so far
  std::uint64_t served_ GUARDED_BY(mutex_) = 0;  // those whose file system was synced since
  std::uint64_t count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace snapclone::pool
