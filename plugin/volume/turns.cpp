// SPDX-License-Identifier: Apache-2.0
#include "volume/turns.hpp"

#include <algorithm>
#include <utility>

namespace snapclone::volume {

void Turns::run(std::vector<std::string> keys, Lane lane, Job job) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  auto entry = std::make_shared<Entry>(Entry{std::move(keys), lane, std::move(job)});
  bool ready = false;
  {
    sys::MutexLock lock(mutex_);
    if (!entry->keys.empty()) queues_[entry->keys.front()].push_back(entry);
    ready = advance(entry);
  }
  if (ready) start(entry);
}

bool Turns::idle() const {
  sys::MutexLock lock(mutex_);
  return queues_.empty();
}

// Goes on from key to key while the next one is free. True if all are held.
bool Turns::advance(EntryPtr const& entry) {
  while (entry->held < entry->keys.size()) {
    if (queues_[entry->keys[entry->held]].front() != entry) return false;
    ++entry->held;
    if (entry->held < entry->keys.size()) queues_[entry->keys[entry->held]].push_back(entry);
  }
  return true;
}

void Turns::start(EntryPtr const& entry) {
  execute_(entry->lane, [this, entry] {
    Turn turn;
    Job job = std::exchange(entry->job, nullptr);
    job(turn);
    if (turn.next_) {
      go_on(entry, turn);
    } else {
      finish(entry);
    }
  });
}

void Turns::go_on(EntryPtr const& entry, Turn& turn) {
  bool ready = false;
  {
    sys::MutexLock lock(mutex_);
    entry->job = std::move(turn.next_);
    entry->keys.push_back(turn.key_);
    queues_[turn.key_].push_back(entry);
    ready = advance(entry);
  }
  if (ready) start(entry);
}

void Turns::finish(EntryPtr const& entry) {
  std::vector<EntryPtr> ready;
  {
    sys::MutexLock lock(mutex_);
    for (auto const& key : entry->keys) {
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
