// SPDX-License-Identifier: Apache-2.0
#include "image/image.hpp"
#include "kit/attached_image.hpp"
#include "kit/leftovers.hpp"
#include "kit/reboot.hpp"
#include "power/cuts.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

namespace snapclone::test {
namespace {

constexpr auto kDeletion = 12s;
constexpr Moment kNowAndThen = 4;

// That at some moment at which the power can have been cut …
bool overlaps(Cut const& cut, Moment from, Moment to) {
  return std::max(cut.from, from) <= cut.to && std::max(cut.from, from) < to;
}
bool must_exist(Cut const& cut, Lifetime const& lifetime) {
  return overlaps(cut, lifetime.created, lifetime.remove_asked);
}
bool must_not_exist(Cut const& cut, Lifetime const& lifetime) {
  return cut.from < lifetime.create_asked || lifetime.removed <= cut.to;
}

class PromiseCheck {
 public:
  PromiseCheck(Recording const& recording, Cut const& cut)
      : recording_(recording),
        cut_(cut),
        machine_(recording.ground, cut.image),
        caller_(machine_.program.socket()) {}

  std::string problems() {
    auto statuses = caller_.statuses();
    std::set<std::string> names;
    for (auto const& lifetime : recording_.lifetimes) names.insert(lifetime.name);
    for (auto const& [name, status] : statuses) {
      names.insert(name);
      auto const* error = status.if_contains("error");
      if (error != nullptr) say(name + ": " + error->as_string().c_str());
    }
    for (auto const& name : names) check(name, statuses.count(name) != 0);
    check_leftovers();
    if (!problems_.empty()) return problems_ + machine_.program.log();
    for (auto const& [name, status] : statuses) caller_.remove(name);
    check_leftovers();
    if (cut_.from % kNowAndThen == 0) check_image();
    return problems_;
  }

 private:
  void say(std::string const& sentence) { problems_ += sentence + "\n"; }

  // A name can be given again, so that what is there may be the earlier or the later one.
  void check(std::string const& name, bool exists) {
    std::vector<Lifetime const*> possible;
    for (auto const& lifetime : recording_.lifetimes) {
      if (lifetime.name != name) continue;
      if (!exists && must_exist(cut_, lifetime)) say(name + " is lost");
      if (!must_not_exist(cut_, lifetime)) possible.push_back(&lifetime);
    }
    if (!exists) return;
    if (possible.empty()) return say(name + " is there, but must not be");
    try {
      compare(name, possible);
    } catch (std::exception const& error) {
      say(name + " cannot be used: " + error.what());
    }
  }

  void compare(std::string const& name, std::vector<Lifetime const*> const& possible) {
    fs::path path = caller_.mount(name, "judge");
    std::string wrong;
    bool whole = std::any_of(possible.begin(), possible.end(), [&](Lifetime const* lifetime) {
      std::string now = differences_from(*lifetime, path);
      wrong += now;
      return now.empty();
    });
    if (!whole) say(name + " is not what it was:\n" + wrong);
    caller_.unmount(name, "judge");
  }

  std::string differences_from(Lifetime const& lifetime, fs::path const& path) const {
    std::string wrong;
    Manifest now = lasting(manifest(path));
    for (auto const& content : lifetime.contents) {
      if (!overlaps(cut_, content.when.from, content.when.to)) continue;
      wrong += differences(content.manifest, now);
    }
    for (auto const& file : lifetime.synced) {
      if (file.from > cut_.to) continue;
      auto found = now.find(file.path);
      if (found == now.end() || found->second["content"] != file.text) {
        wrong += "'" + file.path + "', which was synced, is not what it was\n";
      }
    }
    return wrong;
  }

  // Deleting goes on after the start; nobody waits for that if something else is wrong already.
  void check_leftovers() {
    std::string found;
    auto none = [&] {
      found = leftovers(machine_.program.pool(), machine_.program.mounts(), {.work = true});
      return found.empty();
    };
    if (!eventually(none, problems_.empty() ? kDeletion : 0s))
      say("these are left over:\n" + found);
  }

  // After the recovery of both file systems. The machine is switched off then.
  void check_image() {
    if (!recording_.ground.in_image) return;
    machine_.program.kill();
    unmount_all(machine_.program.mounts());
    detach_image(machine_.program.pool());
    fs::path image = image::ImageFiles(machine_.program.pool()).image;
    if (!is_clean_xfs(image)) say("xfs_repair does not like the image");
  }

  Recording const& recording_;
  Cut const& cut_;
  Machine machine_;
  Caller caller_;
  std::string problems_;
};

}  // namespace

std::string broken_promises(Recording const& recording, Cut const& cut) {
  try {
    return PromiseCheck(recording, cut).problems();
  } catch (std::exception const& error) {
    return error.what();
  }
}

}  // namespace snapclone::test
