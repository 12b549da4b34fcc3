// SPDX-License-Identifier: Apache-2.0
#include "volume/layer_watch.hpp"

#include <utility>

namespace snapclone::volume {

using sys::MutexLock;

void LayerWatch::announce(Stack const& layers) {
  if (layers.empty()) return;
  MutexLock lock(mutex_);
  announced_.insert(layers.front());
  if (!pool::has_any(layers, watched_)) return;
  used_ = true;
  released_.wait(mutex_, [this]() REQUIRES(mutex_) { return !held_; });
}

std::set<std::string> LayerWatch::take_announced() {
  MutexLock lock(mutex_);
  return std::exchange(announced_, {});
}

LayerWatch::Watch::Watch(LayerWatch& all, std::set<std::string> layers) : all_(all) {
  MutexLock lock(all_.mutex_);
  all_.watched_ = std::move(layers);
  all_.used_ = false;
}

LayerWatch::Watch::~Watch() {
  release();
  MutexLock lock(all_.mutex_);
  all_.watched_.clear();
}

bool LayerWatch::Watch::hold() {
  MutexLock lock(all_.mutex_);
  all_.held_ = !all_.used_;
  return all_.held_;
}

void LayerWatch::Watch::release() {
  {
    MutexLock lock(all_.mutex_);
    all_.held_ = false;
  }
  all_.released_.notify_all();
}

}  // namespace snapclone::volume
