// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace snapclone::volume {

// Who may work on what: jobs that name a key in common run one after the other, in the order in
// which they came; others run at once. A waiting job is an entry in a queue and holds no thread.
// Keys are taken in sorted order, so that jobs with several keys cannot block each other.
// Safe from every thread.
class Turns {
 public:
  using Job = std::function<void()>;

  // `execute` starts a job somewhere else, soon; it must not run it itself.
  explicit Turns(std::function<void(Job)> execute) : execute_(std::move(execute)) {}

  // Runs the job when all keys are free; they are free again when it has returned. The job must
  // not throw.
  void run(std::vector<std::string> keys, Job job);

  // Whether no job with a key runs or waits.
  bool idle() const;

 private:
  struct Waiting {
    std::vector<std::string> keys;
    std::size_t held = 0;
    Job job;
  };
  using WaitingPtr = std::shared_ptr<Waiting>;

  bool advance(WaitingPtr const& waiting);
  void start(WaitingPtr const& waiting);
  void finish(WaitingPtr const& waiting);

  std::function<void(Job)> execute_;
  mutable std::mutex mutex_;                              // guards queues_ and every Waiting
  std::map<std::string, std::deque<WaitingPtr>> queues_;  // the first of each queue has the key
};

}  // namespace snapclone::volume
