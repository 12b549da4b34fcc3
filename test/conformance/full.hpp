// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "conformance/ground.hpp"

#include <functional>
#include <map>
#include <string>

// What is promised on a full disk, whatever is full.
namespace snapclone::test {

// Fills a disk until it is destroyed.
class Filler {
 public:
  virtual ~Filler() = default;
  // Until nothing goes any more, whatever has been freed meanwhile.
  virtual void fill() = 0;
  // Makes a little room. Says whether there was something to take away.
  virtual bool give() = 0;
  virtual void end() = 0;
};

// The volumes db, which is mounted, and dev, the snapshot seed and its clone "live".
void prepare(Conforming& world);

// All that need room on that. They make the volume "new", or a mount of that ID.
using Verbs = std::map<std::string, std::function<void()>>;
Verbs verbs_on(Conforming& world);

void check_nothing_has_changed(Conforming& world);
// Everything is as prepare() made it, and can go.
void finish(Conforming& world);
// Each Create is refused with this sentence.
void check_creates_refused(Conforming& world, std::string const& why);
// Does each verb on the full disk, and again with ever a little more room until it works.
void check_verbs_on_a_full_disk(Conforming& world, Filler& filler);

// Makes a volume and its snapshot, and what a container uses: a clone of that, and the volume work.
// Returns the clone.
fs::path use_some(Conforming& world);
void check_ends_removals_and_starts(Conforming& world, Filler& filler, fs::path const& clone);

}  // namespace snapclone::test
