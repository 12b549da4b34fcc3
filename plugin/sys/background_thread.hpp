// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>

namespace snapclone::sys {

// A thread at low priority, for work that nobody waits for. Its destructor asks the work to stop
// and waits until it has ended.
class BackgroundThread {
 public:
  // Runs `work` once, on the new thread; it must not throw. A higher niceness gets less of the
  // processor (setpriority(2)). Throws sys::Error if the system gives no further thread.
  BackgroundThread(int niceness, std::function<void(std::stop_token)> work);

 private:
  std::jthread thread_;
};

// Waits until the time is over or a stop is requested.
void rest(std::chrono::nanoseconds duration, std::stop_token const& stop);

}  // namespace snapclone::sys
