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
//   unknown  one may, and nobody can find out: only the machine's next boot ends that
enum class Use { free, used, unknown };

enum class Form { sealed, writable };

// What is in a tree keeps it from being captured; what() says what.
class CannotCapture : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr mode_t kNewVolumeMode = 0755;  // as Docker's local driver

// How a pool makes trees. A tree is a directory with `fs`, which is what it shows or the topmost
// part of it, and what the backend needs beside it. Every function throws sys::Error, may block,
// and may be called from any thread, for different trees at once; a caller sees to it that nobody
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

  // Making a tree over a snapshot, or capturing one, copies all of its content.
  virtual bool copies() const = 0;

  // Shows on this very pool that everything below works, by doing it. Throws with the reason.
  // `mount_point` is an existing empty directory.
  virtual void self_test(fs::path const& mount_point) = 0;

  // Makes a writable tree in the existing directory `tree`: it shows exactly what `below` shows,
  // its root directory included; an empty directory if there is nothing below.
  virtual void make_tree(fs::path const& tree, Stack const& below) = 0;

  // Makes in the existing directory `into` a tree that has what `tree` has, over the same layers,
  // and is sealed or, unless the backend is layered, writable. `tree` may be mounted and written
  // meanwhile. Says which attributes were lost on the way. Nothing is synced. Throws CannotCapture,
  // too.
  virtual CopyReport capture(fs::path const& tree, fs::path const& into, Form form) = 0;

  // A tree that was made and filled through its `fs` is complete: from now on nobody writes it.
  virtual void seal(fs::path const& tree) = 0;

  // What a tree that was written and is now in a stack does not need any more, if it is there; a
  // caller moves it to the trash.
  virtual std::optional<fs::path> leftover_work(fs::path const& /*tree*/) const {
    return std::nullopt;
  }

  // Mounts a tree over the stack it was made for. `source` is what df(1) shows, where a mount can
  // have a name of its own.
  virtual void mount(fs::path const& tree, Stack const& below, Access access,
                     std::string const& source, fs::path const& target) = 0;

  // (layered) Mounts what two or more sealed layers show together, read-only.
  virtual void view(Stack const& stack, fs::path const& target) = 0;

  // (layered) Whether the tree, which is not mounted, shows nothing but what `below` shows.
  virtual bool unchanged(fs::path const& tree, Stack const& below) = 0;

  // Whether anyone uses the tree. Never guesses: if the question fails, that is thrown. Without
  // can_probe(), a tree counts as free once its last Unmount was acknowledged, and
  // hold_until_boot() is how the caller says that this is not so; that holds for a tree anywhere in
  // the pool, until the machine's next boot, whatever the backend.
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
