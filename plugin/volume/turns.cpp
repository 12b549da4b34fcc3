// SPDX-License-Identifier: Apache-2.0
#include "volume/turns.hpp"

#include <algorithm>

namespace snapclone::volume {

void Turns::run(std::vector<std::string> keys, Job job) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  auto waiting = std::make_shared<Waiting>(Waiting{std::move(keys), 0, std::move(job)});
  std::unique_lock lock(mutex_);
  if (!waiting->keys.empty()) queues_[waiting->keys.front()].push_back(waiting);
  bool ready = advance(waiting);
  lock.unlock();
  if (ready) start(waiting);
}

bool Turns::idle() const {
  std::lock_guard lock(mutex_);
  return queues_.empty();
}

// Goes on from key to key as long as the next one is free. True if all are held.
bool Turns::advance(WaitingPtr const& waiting) {
  while (waiting->held < waiting->keys.size()) {
    if (queues_[waiting->keys[waiting->held]].front() != waiting) return false;
    ++waiting->held;
    if (waiting->held < waiting->keys.size()) {
      queues_[waiting->keys[waiting->held]].push_back(waiting);
    }
  }
  return true;
}

void Turns::start(WaitingPtr const& waiting) {
  execute_([this, waiting] {
    waiting->job();
    finish(waiting);
  });
}

void Turns::finish(WaitingPtr const& waiting) {
  std::vector<WaitingPtr> ready;
  {
    std::lock_guard lock(mutex_);
    for (auto const& key : waiting->keys) {
      auto& queue = queues_[key];
      queue.pop_front();
      if (queue.empty()) {
        queues_.erase(key);
      } else if (advance(queue.front())) {
        ready.push_back(queue.front());
      }
    }
  }
  for (auto const& next : ready) start(next);
}

}  // namespace snapclone::volume
