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
//   used     a container does, in whatever mount namespace
//   unknown  one may, and nothing can tell: only the machine's next boot ends that
enum class Use { free, used, unknown };

enum class Form { sealed, writable };

// A tree whose content keeps it from being captured; what() says why.
class CannotCapture : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr mode_t kNewVolumeMode = 0755;  // as Docker's local driver

// Makes, mounts and freezes the trees of a pool. A tree is a directory. It has `fs`, which holds
// all content or, if the backend is layered, the topmost part of it; the backend may keep more
// beside that. Every function throws sys::Error, may block, and may be called from any thread, for
// different trees at once. The caller sees to it that nobody else changes the tree's directory.
class Backend {
 public:
  explicit Backend(Pool const& pool) : pool_(pool) {}
  Backend(Backend const&) = delete;
  Backend& operator=(Backend const&) = delete;
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;

  // A layered tree also shows the layers below it. Once sealed it becomes the top of a stack. Any
  // other tree holds everything itself, and no stack has more than one layer.
  virtual bool layered() const = 0;

  // capture() of a tree that is being written gives its state at one moment, as a power cut would.
  virtual bool captures_atomically() const = 0;

  // make_tree() and capture() copy all content.
  virtual bool copies() const = 0;

  // Tries on this pool everything below. Throws with the reason if something does not work.
  // `mount_point` is an existing empty directory.
  virtual void self_test(fs::path const& mount_point) = 0;

  // Whether files of the pool can share their content (FICLONE), so that overlayfs copies none of
  // it when a file of a lower layer is first written. Nothing if that could not be found out.
  // try_reflinks() finds it out. It is called once, at the start, before there are other threads.
  std::optional<bool> reflinks() const { return reflinks_; }
  void try_reflinks();

  // Makes a writable tree in the existing directory `tree`. It shows exactly what `below` shows,
  // its root directory included, or an empty directory if there is nothing below.
  virtual void make_tree(fs::path const& tree, Stack const& below) = 0;

  // Makes a copy of `tree`, over the same layers, in the existing directory `into`. The copy is
  // sealed, or writable if the backend is not layered. `tree` may be mounted and written meanwhile.
  // Returns which attributes were lost. Syncs nothing. Also throws CannotCapture.
  virtual CopyReport capture(fs::path const& tree, fs::path const& into, Form form) = 0;

  // Completes a tree that was made, and filled through its `fs`: nobody writes to it any more.
  virtual void seal(fs::path const& tree) = 0;

  // The part of a tree that it only needed while it was written, if it is there. Once the tree is
  // durably in a stack, a caller moves that to the trash.
  virtual std::optional<fs::path> leftover_work(fs::path const& /*tree*/) const {
    return std::nullopt;
  }

  // Mounts a tree over the stack it was made for. `source` is the name that df(1) shows, if a mount
  // can have one.
  virtual void mount(fs::path const& tree, Stack const& below, Access access,
                     std::string const& source, fs::path const& target) = 0;

  // (layered) Mounts a stack of two or more sealed layers, read-only.
  virtual void view(Stack const& stack, fs::path const& target) = 0;

  // (layered) Whether the tree, which is not mounted, shows the same as `below`.
  virtual bool unchanged(fs::path const& tree, Stack const& below) = 0;

  // Whether anyone uses the tree. Never guesses: a question that fails is thrown. Without
  // can_probe(), a tree counts as free after its last Unmount. A caller who knows better calls
  // hold_until_boot(): from then until the machine's next boot the answer is `unknown`, wherever in
  // the pool the tree is moved, and whatever the backend.
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
  std::optional<bool> reflinks_;
};

}  // namespace snapclone::backend
