// SPDX-License-Identifier: Apache-2.0
#include "volume/store.hpp"

#include "sys/error.hpp"
#include "sys/log.hpp"
#include "volume/recovery.hpp"
#include "volume/refusal.hpp"

#include <utility>

#include <sys/statvfs.h>

namespace snapclone::volume {
namespace {

template <class T, class Work>
void run_and_tell(Store::Done<T> const& done, Work const& work) {
  Store::Result<T> result = std::exception_ptr();
  try {
    if constexpr (std::is_void_v<T>) {
      work();
      result = {};
    } else {
      result = work();
    }
  } catch (...) {
    result = std::current_exception();
  }
  done(result);
}

// A verb's `done` that may be called early: only the first call counts.
class FirstCall {
 public:
  explicit FirstCall(Store::Done<void> const& done) : done_(done) {}

  void succeeded() {
    if (!std::exchange(called_, true)) done_({});
  }
  void failed(std::exception const& error) {
    if (called_) return sys::log_warning(error.what());
    called_ = true;
    done_(std::current_exception());
  }

 private:
  Store::Done<void> const& done_;
  bool called_ = false;
};

}  // namespace

StoreParts::StoreParts(Pool opened, StoreSettings const& settings)
    : pool(std::move(opened)),
      points(settings.mounts),
      selection(backend::select_backend(pool, points.probes(), points.trial(), settings.backend)),
      backend(*selection.backend),
      catalogue(pool),
      trash(pool, points, backend, catalogue),
      in_use(pool, points, backend, catalogue, settings.settle),
      mounts(pool, points, backend, catalogue, in_use, trash),
      volumes(pool, points, backend, catalogue, in_use, trash),
      disk_use(pool, backend, catalogue, points),
      pruner(pool, points, backend, catalogue, trash, disk_use) {}

Store::Store(Pool pool, StoreSettings const& settings, Turns::Execute execute)
    : settings_(settings), parts_(std::move(pool), settings), turns_(std::move(execute)) {}

void Store::open() {
  recover(parts_.pool, parts_.points, parts_.catalogue, parts_.mounts, parts_.trash);
  parts_.trash.start();
  std::vector<Work> kept_back;
  {
    sys::MutexLock lock(mutex_);
    open_ = true;
    kept_back.swap(kept_back_);
  }
  for (auto const& job : kept_back) job();
  keep_reserve();
  try {
    parts_.disk_use.start();
  } catch (std::exception const& error) {
    sys::log_warning(std::string("disk use will not be measured: ") + error.what());
  }
  try {
    parts_.pruner.start(settings_.prune_pause);
  } catch (std::exception const& error) {
    sys::log_warning(std::string("hidden files will not be deleted: ") + error.what());
  }
}

void Store::when_open(Work job) {
  {
    sys::MutexLock lock(mutex_);
    if (!open_) return kept_back_.push_back(std::move(job));
  }
  job();
}

void Store::keep_reserve() {
  try {
    parts_.pool.keep_reserve();
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("a full disk may keep the next start from working: ") +
                     error.what());
  }
}

void Store::create(CreateRequest const& request, Done<void> const& done) {
  std::vector<std::string> keys = {request.name.text()};
  if (request.options.source) keys.push_back(request.options.source->name.text());
  turns_.run(keys, Lane::slow, [this, request, done](Turns::Turn& turn) {
    std::optional<CloneRecord> clone;
    try {
      clone = parts_.volumes.source_clone(request);
    } catch (...) {
      return done(std::current_exception());
    }
    auto create = [this, request, done, clone](Turns::Turn& /*turn*/) {
      run_and_tell(done, [&] {
        check_room();
        parts_.volumes.create(request, clone);
      });
    };
    if (!clone) return create(turn);
    // A job that holds a clone's turn takes no other, so jobs cannot wait in a circle.
    turn.go_on_with(turn_of_mount(clone->volume, clone->mount_id), create);
  });
}

// A disk that is nearly full would fail the Create later, by a call whose error says less.
void Store::check_room() const {
  if (settings_.image_space == nullptr) return;
  std::string problem = settings_.image_space->no_room();
  if (!problem.empty()) throw Refusal(problem);
}

void Store::remove(VolumeName const& name, Done<void> const& done) {
  turns_.run({name.text()}, Lane::slow, [this, name, done](Turns::Turn& /*turn*/) {
    run_and_tell(done, [&] {
      parts_.volumes.remove(name);
      parts_.mounts.forget(name);
    });
  });
}

void Store::mount(VolumeName const& name, MountId const& mount_id, Done<Mounted> const& done) {
  Lane lane = parts_.mounts.may_take_long(name, mount_id) ? Lane::slow : Lane::quick;
  in_turn_of_mount(name, mount_id, lane, [this, name, mount_id, done] {
    run_and_tell(done, [&] { return parts_.mounts.mount(name, mount_id); });
  });
}

void Store::unmount(VolumeName const& name, MountId const& mount_id, Done<void> const& done) {
  in_turn_of_mount(name, mount_id, Lane::quick, [this, name, mount_id, done] {
    FirstCall answer(done);
    try {
      parts_.mounts.unmount(name, mount_id, [&] { answer.succeeded(); });
      answer.succeeded();
    } catch (std::exception const& error) {
      answer.failed(error);
    }
  });
}

void Store::take_back(VolumeName const& name, MountId const& mount_id, std::uint64_t serial,
                      Done<void> const& done) {
  in_turn_of_mount(name, mount_id, Lane::quick, [this, name, mount_id, serial, done] {
    run_and_tell(done, [&] { parts_.mounts.take_back(name, mount_id, serial); });
  });
}

std::string Store::turn_of_mount(VolumeName const& name, MountId const& mount_id) const {
  VolumePtr volume = parts_.catalogue.find(name);
  bool snapshot = volume && volume->record.kind == Kind::snapshot;
  return snapshot ? name.text() + "@" + mount_id.text() : name.text();  // no name has an "@"
}

// The turn depends on what the name is, and that may change while the verb waits.
void Store::in_turn_of_mount(VolumeName const& name, MountId const& mount_id, Lane lane,
                             Work const& work) {
  std::string key = turn_of_mount(name, mount_id);
  turns_.run({key}, lane, [this, name, mount_id, lane, key, work](Turns::Turn& /*turn*/) {
    if (turn_of_mount(name, mount_id) == key) {
      work();
    } else {
      in_turn_of_mount(name, mount_id, lane, work);
    }
  });
}

std::optional<Description> Store::describe(VolumeName const& name) const {
  VolumePtr volume = parts_.catalogue.find(name);
  if (!volume) return std::nullopt;
  std::string mountpoint = parts_.mounts.mountpoint(*volume);
  // Counts from before a restart are kept until the volume is proven free, but are no mounts.
  std::size_t mounts = mountpoint.empty() ? 0 : parts_.catalogue.number_of_counts(name);
  return Description{volume,
                     mountpoint,
                     std::string(backend()),
                     backend_reason(),
                     mounts,
                     parts_.catalogue.number_of_clones(name),
                     parts_.catalogue.newest_clones(name, kDescribedClones),
                     parts_.disk_use.of(name),
                     pool_space()};
}

std::vector<Summary> Store::list() const {
  std::vector<Summary> all;
  for (auto const& volume : parts_.catalogue.all()) {
    Record const& record = volume->record;
    all.push_back({record.name, parts_.mounts.mountpoint(*volume), record.created});
  }
  return all;
}

Totals Store::totals() const {
  Totals now;
  now.backend = backend();
  for (auto const& volume : parts_.catalogue.all()) {
    Record const& record = volume->record;
    if (!volume->unreadable.empty()) {
      ++now.unreadable;
    } else if (record.kind == Kind::snapshot) {
      ++now.snapshots;
      now.live_clones += parts_.catalogue.number_of_clones(record.name);
    } else {
      ++now.volumes;
      now.mounted_volumes += parts_.catalogue.number_of_counts(record.name) == 0 ? 0 : 1;
    }
  }
  now.layers = sys::list_dir(parts_.pool.layers()).size();
  now.trash = sys::list_dir(parts_.pool.trash()).size();
  now.pool = pool_space();
  return now;
}

PoolSpace Store::pool_space() const {
  PoolSpace space{.use = parts_.disk_use.pool_use(),
                  .reflinks = parts_.backend.reflinks(),
                  .why_no_image = settings_.why_no_image};
  if (settings_.image && settings_.image_space != nullptr) {
    space.image = ImageUse{*settings_.image, settings_.image_space->report()};
  }
  struct statvfs status {};
  if (statvfs(parts_.pool.root().c_str(), &status) == 0) {
    space.size = std::uint64_t{status.f_blocks} * status.f_frsize;
    space.free = std::uint64_t{status.f_bavail} * status.f_frsize;
  }
  return space;
}

}  // namespace snapclone::volume
