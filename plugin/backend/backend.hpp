// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pool/pool.hpp"
#include "tree/copy_tree.hpp"

#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>

namespace snapclone::backend {

namespace fs = boost::filesystem;
using pool::Pool;
using pool::Stack;
using tree::CopyReport;

enum class Access { persistent, throwaway, read_only };

// Whether anyone may still use a tree that is not mounted here.
//   free     it is proven that nobody does
//   used     a container does, in this mount namespace or another
//   unknown  a container may, and nobody can find out before the machine's next boot
enum class Use { free, used, unknown };

enum class Form { sealed, writable };

// A tree cannot be captured because of its content; what() says which.
class CannotCapture : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr mode_t kNewVolumeMode = 0755;  // as Docker's local driver

// How a pool makes trees. A tree is a directory: its `fs` holds what the tree shows, or the topmost
// layer of that, and beside it lies what the backend needs. Every function may block, throws
// sys::Error, and is safe from every thread for different trees. The caller makes sure that nobody
// else changes the tree's directory.
class Backend {
 public:
  explicit Backend(Pool const& pool) : pool_(pool) {}
  Backend(Backend const&) = delete;
  Backend& operator=(Backend const&) = delete;
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;

  // A tree that is layered shows its layers below as well: sealed, it becomes the top of a stack.
  // Any other tree holds everything itself, and no stack has more than one layer.
  virtual bool layered() const = 0;

  // capture() of a tree that is being written gives one moment, as a power cut would.
  virtual bool captures_atomically() const = 0;

  // make_tree() and capture() copy all content.
  virtual bool copies() const = 0;

  // Tries everything below out on this very pool. Throws with the reason if something fails.
  // `mount_point` is an existing empty directory.
  virtual void self_test(fs::path const& mount_point) = 0;

  // Makes a writable tree in the existing directory `tree`: it shows exactly what `below` shows,
  // its root directory included; an empty directory if there is nothing below.
  virtual void make_tree(fs::path const& tree, Stack const& below) = 0;

  // Makes in the existing directory `into` a tree with the content of `tree`, over the same layers.
  // It is sealed or, unless the backend is layered, writable. `tree` may be mounted and written
  // meanwhile. Reports which attributes were lost. Syncs nothing. Throws CannotCapture, too.
  virtual CopyReport capture(fs::path const& tree, fs::path const& into, Form form) = 0;

  // Ends the writing of a tree that was made and filled through its `fs`: nobody writes it again.
  virtual void seal(fs::path const& tree) = 0;

  // The directory that a tree needed only while it was written, if it is still there. Once the tree
  // is in a stack, the caller moves that directory to the trash.
  virtual std::optional<fs::path> leftover_work(fs::path const& /*tree*/) const {
    return std::nullopt;
  }

  // Mounts a tree over the stack it was made for. `source` is what df(1) shows, where a mount can
  // have a name of its own.
  virtual void mount(fs::path const& tree, Stack const& below, Access access,
                     std::string const& source, fs::path const& target) = 0;

  // (layered) Mounts a stack of two or more sealed layers, read-only.
  virtual void view(Stack const& stack, fs::path const& target) = 0;

  // (layered) Whether the tree, which is not mounted, shows nothing but what `below` shows.
  virtual bool unchanged(fs::path const& tree, Stack const& below) = 0;

  // Whether anyone uses the tree. Never guesses: throws if the kernel cannot be asked. A backend
  // without can_probe() takes a tree for free once its last Unmount was acknowledged. If a caller
  // knows better, it calls hold_until_boot(): then the tree is `unknown` until the machine's next
  // boot, on every backend and wherever in the pool the tree is moved.
  //   <tree>/held   the boot ID
  Use use_of(fs::path const& tree);
  void hold_until_boot(fs::path const& tree) const;
  virtual bool can_probe() const = 0;

  // Deletes a directory of the pool with the trees in it, as remove_tree() does, and with the
  // subvolumes in those.
  void remove(fs::path const& root, std::stop_token const& stop = {}) const;

  // As copy_tree(). cancel_copies() ends those that run and all later ones with sys::Cancelled: the
  // process is about to end.
  CopyReport copy(fs::path const& from, fs::path const& to, bool through_overlay = false) const;
  void cancel_copies() { copies_stop_.request_stop(); }

 protected:
  virtual Use probe(fs::path const& tree) = 0;

  Pool const& pool_;

 private:
  std::stop_source copies_stop_;
};

}  // namespace snapclone::backend
