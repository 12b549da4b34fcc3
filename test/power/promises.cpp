// SPDX-License-Identifier: Apache-2.0
#include "power/cuts.hpp"
#include "sys/file.hpp"
#include "volume/record.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>

namespace snapclone::test {
namespace {

constexpr std::chrono::seconds kPatience{12};

// That at some moment at which the power can have been cut …
bool overlaps(Cut const& cut, Moment from, Moment to) {
  return std::max(cut.from, from) <= cut.to && std::max(cut.from, from) < to;
}
bool must_exist(Cut const& cut, Life const& life) {
  return overlaps(cut, life.created, life.remove_asked);
}
bool must_not_exist(Cut const& cut, Life const& life) {
  return cut.from < life.create_asked || life.removed <= cut.to;
}

class Aftermath {
 public:
  Aftermath(Recording const& recording, Cut const& cut)
      : recording_(recording), cut_(cut), machine_(recording.ground, cut.image) {}

  std::string problems() {
    auto statuses = machine_.plugin.statuses();
    std::set<std::string> names;
    for (auto const& life : recording_.lives) names.insert(life.name);
    for (auto const& [name, status] : statuses) {
      names.insert(name);
      auto const* error = status.if_contains("error");
      if (error != nullptr) say(name + ": " + error->as_string().c_str());
    }
    for (auto const& name : names) check(name, statuses.count(name) != 0);
    check_leftovers();
    if (!problems_.empty()) return problems_ + machine_.plugin.log();
    for (auto const& [name, status] : statuses) machine_.plugin.remove(name);
    check_leftovers();
    return problems_;
  }

 private:
  void say(std::string const& sentence) { problems_ += sentence + "\n"; }

  // A name can be given again, so that what is there may be the earlier or the later one.
  void check(std::string const& name, bool exists) {
    std::vector<Life const*> possible;
    for (auto const& life : recording_.lives) {
      if (life.name != name) continue;
      if (!exists && must_exist(cut_, life)) say(name + " is lost");
      if (!must_not_exist(cut_, life)) possible.push_back(&life);
    }
    if (!exists) return;
    if (possible.empty()) return say(name + " is there, but must not be");
    try {
      compare(name, possible);
    } catch (std::exception const& error) {
      say(name + " cannot be used: " + error.what());
    }
  }

  void compare(std::string const& name, std::vector<Life const*> const& possible) {
    fs::path path = machine_.plugin.mount(name, "judge");
    std::string wrong;
    bool whole = std::any_of(possible.begin(), possible.end(), [&](Life const* life) {
      std::string now = differences_from(*life, path);
      wrong += now;
      return now.empty();
    });
    if (!whole) say(name + " is not what it was:\n" + wrong);
    machine_.plugin.unmount(name, "judge");
  }

  std::string differences_from(Life const& life, fs::path const& path) const {
    std::string wrong;
    Manifest now = lasting(manifest(path));
    for (auto const& content : life.contents) {
      if (!overlaps(cut_, content.when.from, content.when.to)) continue;
      wrong += differences(content.manifest, now);
    }
    for (auto const& file : life.synced) {
      if (file.from > cut_.to) continue;
      auto found = now.find(file.path);
      if (found == now.end() || found->second["content"] != file.text) {
        wrong += "'" + file.path + "', which was synced, is not what it was\n";
      }
    }
    return wrong;
  }

  // Deleting goes on after the start.
  void check_leftovers() {
    auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
      std::string found;
      try {
        found = leftovers();
      } catch (std::exception const& error) {  // it was deleted meanwhile
        found = error.what();
      }
      if (found.empty()) return;
      if (std::chrono::steady_clock::now() > end) return say("these are left over:" + found);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }

  std::string leftovers() const {
    fs::path const& pool = machine_.pool;
    std::string found = others(pool, {"format", "lock", "reserve", "empty", "layers", "volumes",
                                      "clones", "mounts", "staging", "trash"});
    std::set<std::string> layers;
    for (auto const& name : sys::list_dir(pool / "volumes")) {
      fs::path volume = pool / "volumes" / name;
      found += others(volume, {"volume.json"});
      auto record = volume::decode_record(sys::read_file(volume / "volume.json"));
      layers.insert(record.stack.begin(), record.stack.end());
      layers.insert(record.upper);
    }
    found += others(pool / "layers", layers);
    for (auto const& layer : sys::list_dir(pool / "layers")) {
      found += others(pool / "layers" / layer, {"fs", "work"});
    }
    for (auto const* empty : {"empty", "staging", "trash"}) found += others(pool / empty, {});
    for (auto const* kind : {"clones", "mounts"}) {
      auto boots = sys::list_dir(pool / kind);
      found += boots.size() == 1 ? others(pool / kind / boots.front(), {}) : " other boots";
    }
    return found;
  }

  static std::string others(fs::path const& directory, std::set<std::string> const& expected) {
    std::string found;
    for (auto const& name : sys::list_dir(directory)) {
      if (expected.count(name) == 0) found += " " + (directory / name).string();
    }
    return found;
  }

  Recording const& recording_;
  Cut const& cut_;
  Machine machine_;
  std::string problems_;
};

}  // namespace

std::string broken_promises(Recording const& recording, Cut const& cut) {
  try {
    return Aftermath(recording, cut).problems();
  } catch (std::exception const& error) {
    return error.what();
  }
}

}  // namespace snapclone::test
