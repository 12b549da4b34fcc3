// SPDX-License-Identifier: Apache-2.0
#include "power/days.hpp"

#include <algorithm>
#include <random>

namespace snapclone::test {
namespace {

// Does something of what can be done next.
class RandomActions {
 public:
  RandomActions(History& history, unsigned seed) : history_(history), random_(seed) {
    random_.discard(10);
  }

  void act() {
    unsigned choice = below(20);
    if (names_.empty() || choice == 0) return make_volume();
    std::size_t which = below(names_.size());
    std::string const& name = names_[which];
    if (choice < 5) return make("snapshot-of", name, in_use(name));
    if (choice < 7) return make("clone-of", name, in_use(name));
    if (choice < 10 && !in_use(name)) return remove(which);
    if (choice < 13 || runs_.empty()) return start(name);
    which = below(runs_.size());
    Run const& run = runs_[which];
    if (choice < 16) return stop(which);
    if (choice == 16) return history_.write_synced(run.name, run.id, "synced-" + next());
    if (choice < 19) return change(run.path, ++number_);
    if (is_volume(run.name)) return make("snapshot-of", run.name, true);
    make("clone-of", run.name + "@" + run.id, false);
  }

 private:
  struct Run {
    std::string name;
    std::string id;
    fs::path path;
  };

  unsigned below(std::size_t limit) { return static_cast<unsigned>(random_() / 7 % limit); }
  std::string next() { return std::to_string(++number_); }
  static bool is_volume(std::string const& name) { return name.rfind("volume", 0) == 0; }
  bool in_use(std::string const& name) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [&](Run const& run) { return run.name == name; });
  }

  void make_volume() {
    names_.push_back("volume-" + next());
    history_.create(names_.back());
    start(names_.back());
    fill(runs_.back().path);
    stop(runs_.size() - 1);
  }
  void make(std::string const& how, std::string const& source, bool live) {
    std::string name = (how == "snapshot-of" ? "snapshot-" : "volume-") + next();
    Caller::Options options = {{how, source}};
    if (live) options["live"] = "true";
    history_.create(name, options);
    names_.push_back(name);
  }
  void remove(std::size_t which) {
    history_.remove(names_[which]);
    names_.erase(names_.begin() + static_cast<std::ptrdiff_t>(which));
  }
  void start(std::string const& name) {
    std::string id = "container-" + next();
    runs_.push_back({name, id, history_.enter(name, id)});
  }
  void stop(std::size_t which) {
    history_.leave(runs_[which].name, runs_[which].id);
    runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  History& history_;
  std::minstd_rand random_;
  std::vector<std::string> names_;
  std::vector<Run> runs_;
  unsigned number_ = 0;
};

}  // namespace

Recording random_day(Ground const& ground, unsigned seed) {
  return spent(ground, [seed](Machine& machine, Recording& recording) {
    History history(machine);
    RandomActions actions(history, seed);
    for (int i = 0; i < 60; ++i) actions.act();
    recording.lifetimes = history.lifetimes();
  });
}

}  // namespace snapclone::test
