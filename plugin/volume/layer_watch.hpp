// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"
#include "sys/mutex.hpp"

#include <condition_variable>
#include <set>
#include <string>

namespace snapclone::volume {

using pool::Stack;

// Keeps apart the pruner, which changes sealed layers, and everyone who begins to use them. A user
// waits for at most one batch of the pruner's moves, and the pruner gives up. Safe from every
// thread.
class LayerWatch {
 public:
  // A user announces a stack, or any layers, after it can be seen to use them (Catalogue::uses())
  // and before it does. Those of a volume begin with its upper.
  void announce(Stack const& layers);

  // The topmost layer of each stack that was announced since the last call.
  std::set<std::string> take_announced();

  // For one pruner at a time. While the object lives, a use of its layers is noticed.
  class Watch {
   public:
    Watch(LayerWatch& all, std::set<std::string> layers);
    ~Watch();
    Watch(Watch const&) = delete;
    Watch& operator=(Watch const&) = delete;

    // False if anyone has announced one of the layers: then it will never be true again. Otherwise
    // whoever announces one waits until release().
    bool hold();
    void release();

   private:
    LayerWatch& all_;
  };

 private:
  sys::Mutex mutex_;
  std::condition_variable_any released_;
  std::set<std::string> announced_ GUARDED_BY(mutex_);
  std::set<std::string> watched_ GUARDED_BY(mutex_);
  bool used_ GUARDED_BY(mutex_) = false;
  bool held_ GUARDED_BY(mutex_) = false;
};

}  // namespace snapclone::volume
