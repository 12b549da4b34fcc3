// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "sys/background_thread.hpp"
#include "sys/mutex.hpp"
#include "volume/catalogue.hpp"
#include "volume/mount_points.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <optional>
#include <stop_token>
#include <string>

namespace snapclone::volume {

// The kind of an entry of trash/, which begins its name.
//   clone   a clone's directory; its record pins its stack until it is gone
//   layer   a layer that nothing needs
//   boot    clones of another boot: nobody can be using them
//   other   records, work directories, and everything unfinished when the process ended
enum class TrashKind { clone, layer, boot, other };

// How long to wait before asking about a tree in use again: the more trees wait, the longer.
std::chrono::milliseconds retry_pause(std::size_t waiting);

// The only code that deletes trees, on a thread of its own at low priority. Before it deletes a
// tree it asks whether anyone uses it, since a container can outlive the plugin's mounts. While
// that is so, or the question fails, it keeps the tree and asks again later. It never crosses a
// mount. Safe from every thread.
class Trash {
 public:
  Trash(Pool const& pool, MountPoints const& points, backend::Backend& backend,
        Catalogue& catalogue);
  Trash(Trash const&) = delete;
  Trash& operator=(Trash const&) = delete;
  // The destructor ends the thread; the rest is deleted after the next start.

  // Queues everything in trash/ and starts the thread. Trees that were put before wait until then.
  // Throws sys::Error.
  void start();

  // Moves a tree of the pool into trash/: from that moment it is gone. Throws sys::Error. (A clone
  // is moved by Mounts::discard(), to "clone-<its id>".)
  void put(fs::path const& tree, TrashKind kind);

  // Declares that every clone in trash/ belongs to another boot. For before start().
  void take_clones_for_another_boots();

  // Queues an entry that lies in trash/ already. With a clone's record it need not read that. It
  // takes over the pin of the clone's layers: one that outlived the entry would hide them from the
  // last sweep.
  void queue(fs::path const& entry);
  void queue(fs::path const& entry, CloneRecord const& clone, Catalogue::Pin pin);

  // As put(), but never fails: a tree that cannot be moved now is moved as soon as that works, or
  // at the next start. So its path must never be used again. The clone is not mounted any more.
  void drop(fs::path const& tree, TrashKind kind);
  void drop(CloneRecord const& clone);

  // Drops Backend::leftover_work() of a tree that is durably in a stack.
  void drop_leftover_work(fs::path const& tree);

  // Soon deletes the layers that nothing needs any more.
  void sweep();

  // Waits until only trees in use, or that cannot be deleted now, are left in the queue. For
  // volume/move and tests: new trees could keep it from ending.
  void wait();

 private:
  using Clock = std::chrono::steady_clock;
  struct Item {
    fs::path path;
    TrashKind kind;
    std::optional<CloneRecord> clone;  // what is known of it, with its pin
    Catalogue::Pin pin;
    Clock::time_point when;
    bool reported = false;  // the log says why it is kept
  };

  Item read_item(fs::path const& entry);
  fs::path entry_for(fs::path const& tree, TrashKind kind) const;
  void queue(Item item);
  bool frees_layers(Item const& item) const;
  void run(std::stop_token const& stop);
  std::optional<Item> next_item();
  void delete_or_keep(Item item, std::stop_token const& stop);
  bool begin_sweep();
  void sweep_now();
  bool is_due() const REQUIRES(mutex_);
  void rest(std::stop_token const& stop);
  bool remove(Item& item, std::stop_token const& stop);
  void keep_reserve() const;
  bool put_unneeded_layers();

  Pool const& pool_;
  MountPoints const& points_;
  backend::Backend& backend_;
  Catalogue& catalogue_;

  bool cannot_sweep_ = false;  // the log says so; the thread's own

  sys::Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Item> items_ GUARDED_BY(mutex_);
  Clock::time_point sweep_at_ GUARDED_BY(mutex_) = Clock::time_point::min();
  bool busy_ GUARDED_BY(mutex_) = false;
  std::optional<sys::BackgroundThread> thread_;  // last: it uses all the others
};

}  // namespace snapclone::volume
