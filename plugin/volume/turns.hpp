// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/mutex.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace snapclone::volume {

// Which threads run a job: slow ones, which may copy a tree or wait for a container to end, have
// threads of their own, so that the others never wait for one.
enum class Lane { quick, slow };

// Queues jobs by keys: jobs with a key in common run one after the other, in the order in which
// they came; others run at once. A job that waits is an entry in a queue and holds no thread. Jobs
// with several keys cannot block each other: keys are taken in sorted order, and a job that runs
// may go on with one more only if no holder of that key ever takes another. Safe from every thread.
class Turns {
 public:
  class Turn;
  using Job = std::function<void(Turn&)>;
  // Starts a job on a thread of that lane.
  using Execute = std::function<void(Lane, std::function<void()>)>;

  explicit Turns(Execute execute) : execute_(std::move(execute)) {}

  // Runs the job when all keys are free; they are free again when it has returned. The job must
  // not throw.
  void run(std::vector<std::string> keys, Lane lane, Job job);

  // Whether no job with a key runs or waits.
  bool idle() const EXCLUDES(mutex_);

 private:
  struct Entry {
    std::vector<std::string> keys;
    Lane lane;
    Job job;
    std::size_t held = 0;
  };
  using EntryPtr = std::shared_ptr<Entry>;

  bool advance(EntryPtr const& entry) REQUIRES(mutex_);
  void start(EntryPtr const& entry);
  void go_on(EntryPtr const& entry, Turn& turn);
  void finish(EntryPtr const& entry);

  Execute execute_;
  mutable sys::Mutex mutex_;
  // The first of each queue has the key.
  std::map<std::string, std::deque<EntryPtr>> queues_ GUARDED_BY(mutex_);
};

// A job's handle on its turn while it runs. For the job's own thread.
class Turns::Turn {
 public:
  // Keeps the job's keys when it returns, and runs `next` as soon as `key` is free too.
  void go_on_with(std::string key, Job next) {
    key_ = std::move(key);
    next_ = std::move(next);
  }

 private:
  friend Turns;
  std::string key_;
  Job next_;
};

}  // namespace snapclone::volume
