// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clone/pool.hpp"

#include <string>
#include <string_view>

namespace snapclone::clone {

enum class Access { persistent, throwaway, read_only };

// How a pool makes trees. A tree is a directory with `fs` and what the backend needs beside it; it
// is laid over a stack of sealed layers and then mounted. Every function throws sys::Error, may
// block, and may be called from any thread, for different trees at once; a caller sees to it that
// nobody else uses the tree it names.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;

  // Shows on this very pool that everything below works, by doing it. Throws with the reason.
  // `scratch` is an existing empty directory to mount on.
  virtual void prove(fs::path const& scratch) = 0;

  // Makes a writable tree in the existing directory `tree`: it shows exactly what `below` shows,
  // its root directory included. Nothing of the stack is read but its topmost root directory.
  virtual void make_tree(fs::path const& tree, Stack const& below) = 0;

  // Mounts a tree over the stack it was made for. `source` is what df(1) shows.
  virtual void mount(fs::path const& tree, Stack const& below, Access access,
                     std::string const& source, fs::path const& target) = 0;

  // Mounts what sealed layers show together, read-only: two or more.
  virtual void view(Stack const& stack, fs::path const& target) = 0;

  // Whether any mount namespace, also one we cannot see into, still uses the tree. Never guesses:
  // what cannot be found out is thrown.
  virtual bool in_use(fs::path const& tree) = 0;

  // Whether the tree, which is not mounted, shows nothing but what `below` shows.
  virtual bool unchanged(fs::path const& tree, Stack const& below) = 0;
};

}  // namespace snapclone::clone
