// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

// A mutex that clang's thread safety analysis understands
// (clang.llvm.org/docs/ThreadSafetyAnalysis): `make check` compiles with -Wthread-safety, so
// touching what a mutex guards without holding it is an error. The attributes are the one use of
// macros here; other compilers do not see them.
#if defined(__clang__)
#define SNAPCLONE_ATTRIBUTE(x) __attribute__((x))
#else
#define SNAPCLONE_ATTRIBUTE(x)
#endif

// On a member: may be touched only while that mutex is held.
#define GUARDED_BY(mutex) SNAPCLONE_ATTRIBUTE(guarded_by(mutex))
// On a function or lambda: its caller holds, or does not hold, that mutex.
#define REQUIRES(...) SNAPCLONE_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) SNAPCLONE_ATTRIBUTE(locks_excluded(__VA_ARGS__))

namespace snapclone::sys {

// Waiting for a condition: std::condition_variable_any with the Mutex itself, while it is held.
class SNAPCLONE_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void lock() SNAPCLONE_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void unlock() SNAPCLONE_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class SNAPCLONE_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SNAPCLONE_ATTRIBUTE(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~MutexLock() SNAPCLONE_ATTRIBUTE(release_capability()) { mutex_.unlock(); }
  MutexLock(MutexLock const&) = delete;
  MutexLock& operator=(MutexLock const&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace snapclone::sys
