// SPDX-License-Identifier: Apache-2.0
#include "sys/background_thread.hpp"

#include "sys/error.hpp"
#include "sys/mutex.hpp"

#include <condition_variable>
#include <system_error>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

namespace snapclone::sys {

BackgroundThread::BackgroundThread(int niceness, std::function<void(std::stop_token)> work) {
  try {
    thread_ = std::jthread([niceness, work = std::move(work)](std::stop_token const& stop) {
      // Linux gives each thread its own niceness. If it cannot be set, the thread still works.
      (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness);
      work(stop);
    });
  } catch (std::system_error const& error) {
    throw Error("start", "a background thread", error.code().value());
  }
}

void rest(std::chrono::nanoseconds duration, std::stop_token const& stop) {
  Mutex mutex;
  MutexLock lock(mutex);
  std::condition_variable_any().wait_for(mutex, stop, duration, [] { return false; });
}

}  // namespace snapclone::sys
