// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/select.hpp"
#include "kit/ground.hpp"
#include "kit/manifest.hpp"
#include "kit/media.hpp"
#include "kit/plant.hpp"
#include "kit/world.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

// The conformance suite: what snapclone promises, on every backend and on every kind of pool. A
// promise is a function; main.cpp makes a test of it for every ground.
namespace snapclone::test {

std::vector<Ground> const& grounds();

// A pool of its own on the ground, and the plugin without its socket.
struct Conforming : World {
  Conforming(Ground const& where, fs::path const& directory, std::optional<InImage> image);

  Ground const& ground;

  bool layered() const { return process->backend.layered(); }
  bool atomic() const { return process->backend.captures_atomically(); }
  // Overlayfs keeps its own marks from containers; everything else lets them through.
  bool marks() const { return ground.filesystem != "overlay" && !layered(); }

  // What a new clone of a snapshot shows, or a volume.
  Manifest shown(std::string const& name);

  // Nothing in the pool any more, when everything has been removed.
  void check_all_is_gone();

  // The machine is booted: whatever was held until then is free.
  void boot();
};

using Promise = void (*)(Conforming& world);

using Applies = bool (*)(Ground const& ground);

struct NamedPromise {
  std::string name;
  Promise promise;
  Applies applies;
};
std::vector<NamedPromise>& promises();

// Registers a promise when the program starts: PROMISE(a_snapshot_never_changes) { …world… }
// PROMISE_WHERE(name, condition) is for grounds that meet a condition on `ground`.
struct Registered {
  Registered(char const* name, Promise promise, Applies applies);
};

// For what fills a disk: the next promise gets another one. (btrfs has then given all room to data,
// and takes some of it back for metadata when it likes.)
void spend_disk();

// Differences but for access times.
std::string differences_shown(Manifest const& a, Manifest const& b);

}  // namespace snapclone::test

#define PROMISE_WHERE(name, condition)                                                     \
  static void name(::snapclone::test::Conforming& world);                                  \
  static ::snapclone::test::Registered const registered_##name(                            \
      #name, name,                                                                         \
      []([[maybe_unused]] ::snapclone::test::Ground const& ground) { return condition; }); \
  static void name([[maybe_unused]] ::snapclone::test::Conforming& world)

#define PROMISE(name) PROMISE_WHERE(name, true)
