// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/manifest.hpp"
#include "volume/options.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

// What is done to the plugin, and what must be true of it then.
namespace snapclone::test {

struct Step {
  enum class Verb {
    create,
    remove,
    mount,
    unmount,
    fill,     // in a mount: a tree with one of everything that matters
    change,   // in a mount: some of that deleted, renamed, replaced
    raise,    // a volume gets as many layers as a stack may have
    litter,   // what many crashes might leave is put into the pool
    detach,   // the process ends, and nothing is mounted any more, nor the pool's image attached
    enlarge,  // the process ends, and the next is asked for a larger image
    start     // a new process
  };
  Verb verb = Verb::start;
  std::string name;
  std::string id;  // of a mount
  volume::RawOptions options;
};

std::string described(Step const& step);

// Everything that was acknowledged, or that was found.
struct Model {
  struct Volume {
    bool snapshot = false;
    volume::RawOptions options;
    Manifest shows;  // {}: an empty directory
  };
  struct Mount {
    unsigned count = 0;
    Manifest shows;
  };
  using Key = std::pair<std::string, std::string>;  // name and mount ID

  std::map<std::string, Volume> volumes;
  std::map<Key, Mount> mounts;

  // With the step done as well. What a fill and a change show is not known here.
  Model after(Step const& step) const;
  // The engine and all mounts have gone.
  Model without_mounts() const;
};

// One line for each difference, but for access times.
std::string differences(Model const& expected, Model const& found);

}  // namespace snapclone::test
