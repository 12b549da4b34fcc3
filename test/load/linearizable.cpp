// SPDX-License-Identifier: Apache-2.0
#include "load/linearizable.hpp"

#include <algorithm>
#include <sstream>
#include <tuple>

namespace snapclone::test {
namespace {

constexpr std::size_t kQuotedObservations = 25;
constexpr std::size_t kQuotedStates = 5;

using Indices = std::set<std::size_t>;  // of those that have begun and not ended

// What is possible: a state, and which of the changes have happened that lead to it, which decides
// what may come; and which of the others have. More of those are better, and the only difference.
class Possibilities {
 public:
  struct Reached {
    State state;
    Indices changes;
    auto operator<=>(Reached const&) const = default;
  };

  // False if nothing new comes of it.
  bool add(Reached const& reached, Indices const& looks) {
    auto& all = all_[reached];
    auto covers = [](Indices const& a, Indices const& b) {
      return std::includes(a.begin(), a.end(), b.begin(), b.end());
    };
    for (auto const& known : all) {
      if (covers(known, looks)) return false;
    }
    size_ -= std::erase_if(all, [&](Indices const& known) { return covers(looks, known); });
    all.push_back(looks);
    ++size_;
    return true;
  }

  template <class Visit>
  void each(Visit const& visit) const {
    for (auto const& [reached, all] : all_) {
      for (auto const& looks : all) visit(reached, looks);
    }
  }
  std::size_t size() const { return size_; }

 private:
  std::map<Reached, std::vector<Indices>> all_;
  std::size_t size_ = 0;
};

class Checker {
 public:
  using Reached = Possibilities::Reached;

  Checker(std::vector<Observation> const& observations, std::size_t most)
      : observations_(observations), most_(most) {
    possible_.add({}, {});
  }

  void begin(std::size_t observation) {
    begun_.insert(observation);
    if (observations_[observation].kind == Observation::flickered) ++flickering_;
    if (changes(observation)) return;
    Possibilities all;
    possible_.each([&](Reached const& reached, Indices looks) {
      look(reached.state, looks);
      all.add(reached, looks);
    });
    possible_ = std::move(all);
  }

  // False if nothing is possible any more.
  bool end(std::size_t observation) {
    if (observations_[observation].kind == Observation::flickered && !look_ahead(observation))
      return false;
    Possibilities left = after(observation, false);
    if (left.size() == 0) left = after(observation, true);
    begun_.erase(observation);
    if (observations_[observation].kind == Observation::flickered) --flickering_;
    if (left.size() == 0) return false;
    possible_ = std::move(left);
    return true;
  }

  bool given_up() const { return given_up_; }
  Possibilities const& possible() const { return possible_; }
  Indices const& begun() const { return begun_; }

 private:
  bool changes(std::size_t observation) const {
    return observations_[observation].kind <= Observation::wrote;
  }

  // What can only be seen before the observation may need changes that need not have happened yet.
  // False if that is too much.
  bool look_ahead(std::size_t observation) {
    Possibilities tried;
    Possibilities found = possible_;
    std::vector<std::pair<Reached, Indices>> open;
    possible_.each([&](Reached const& reached, Indices const& looks) {
      if (any_waits(reached, looks)) open.emplace_back(reached, looks);
    });
    while (!open.empty()) {
      given_up_ = tried.size() + found.size() > most_;
      if (given_up_) return false;
      auto [from, from_looks] = std::move(open.back());
      open.pop_back();
      for (std::size_t next : next_changes(from, from_looks, observation, true)) {
        Reached reached = from;
        Indices looks = from_looks;
        if (!happen(next, reached, looks)) continue;
        if (looks != from_looks) found.add(reached, looks);
        if (any_waits(reached, looks) && tried.add(reached, looks)) {
          open.emplace_back(std::move(reached), std::move(looks));
        }
      }
    }
    possible_ = std::move(found);
    return true;
  }

  // What is possible when the observation has happened.
  Possibilities after(std::size_t observation, bool thorough) {
    Possibilities tried;
    Possibilities left;
    std::vector<std::pair<Reached, Indices>> open;
    auto reach = [&](Reached reached, Indices looks) {
      if (reached.changes.erase(observation) + looks.erase(observation) != 0) {
        left.add(reached, looks);
      } else if (tried.add(reached, looks)) {
        open.emplace_back(std::move(reached), std::move(looks));
      }
    };
    possible_.each(reach);
    while (!open.empty()) {
      given_up_ = tried.size() + left.size() > most_;
      if (given_up_) return {};
      auto [from, from_looks] = std::move(open.back());
      open.pop_back();
      for (std::size_t next : next_changes(from, from_looks, observation, thorough)) {
        Reached reached = from;
        Indices looks = from_looks;
        if (!happen(next, reached, looks)) continue;
        reach(std::move(reached), std::move(looks));
      }
    }
    return left;
  }

  // Which changes to try before the observation. Those that differ in nothing that anyone can see,
  // such as Mounts with IDs of their own, may as well happen in the order in which they ended.
  std::vector<std::size_t> next_changes(Reached const& from, Indices const& looks,
                                        std::size_t observation, bool thorough) const {
    std::map<std::tuple<Observation::Kind, int, std::string, std::string>, std::size_t> first;
    bool all_matter = thorough || all_matter_to(observation) || any_waits(from, looks);
    for (std::size_t i : begun_) {
      if (!changes(i) || from.changes.count(i) != 0) continue;
      if (!all_matter && i != observation && observations_[i].id != observations_[observation].id)
        continue;
      auto mount = from.state.mounts.find(observations_[i].id);
      int count = mount == from.state.mounts.end() ? 0 : mount->second.count;
      Observation const& change = observations_[i];
      auto key = change.own ? std::make_tuple(change.kind, count, std::string(), std::string())
                            : std::make_tuple(change.kind, change.tag, change.id, change.path);
      auto [known, is_new] = first.try_emplace(key, i);
      if (!is_new && change.end < observations_[known->second].end) known->second = i;
    }
    std::vector<std::size_t> all;
    for (auto const& [kind, i] : first) all.push_back(i);
    return all;
  }

  // A Mount or Unmount may as well happen later than one of another ID, unless someone looks in
  // between, or the volume comes or goes.
  bool all_matter_to(std::size_t observation) const {
    auto kind = observations_[observation].kind;
    return kind != Observation::mounted && kind != Observation::unmounted &&
           kind != Observation::wrote;
  }
  bool any_waits(Reached const& from, Indices const& looks) const {
    return std::any_of(begun_.begin(), begun_.end(), [&](std::size_t i) {
      bool happened = from.changes.count(i) + looks.count(i) != 0;
      return !happened && all_matter_to(i);
    });
  }

  // False if that change cannot.
  bool happen(std::size_t change, Reached& reached, Indices& looks) const {
    if (!take(reached.state, observations_[change])) return false;
    reached.changes.insert(change);
    look(reached.state, looks);
    return true;
  }

  // What only looks may happen as soon as it can: that rules nothing out.
  void look(State const& state, Indices& looks) const {
    for (std::size_t i : begun_) {
      if (!changes(i) && fits(state, observations_[i], flickering_)) looks.insert(i);
    }
  }

  std::vector<Observation> const& observations_;
  std::size_t const most_;
  Possibilities possible_;
  Indices begun_;
  std::size_t flickering_ = 0;
  bool given_up_ = false;
};

std::string explained(Checker const& checker, std::vector<Observation> const& observations,
                      std::size_t at) {
  std::ostringstream text;
  text << (checker.given_up() ? "too many states are possible at: " : "there is no order for: ")
       << described(observations[at]) << "\nwhat was possible before:\n";
  std::size_t shown = 0;
  checker.possible().each([&](auto const& reached, auto const& /*looks*/) {
    if (++shown <= kQuotedStates) text << "  " << described(reached.state) << "\n";
  });
  text << "what went on meanwhile:\n";
  for (std::size_t observation : checker.begun())
    text << "  " << described(observations[observation]) << "\n";
  text << "what had ended shortly before:\n";
  std::vector<Observation> before;
  for (auto const& observation : observations) {
    if (observation.end < observations[at].end) before.push_back(observation);
  }
  std::sort(before.begin(), before.end(), [](auto& a, auto& b) { return a.end < b.end; });
  std::size_t first = before.size() < kQuotedObservations ? 0 : before.size() - kQuotedObservations;
  for (std::size_t i = first; i < before.size(); ++i) text << "  " << described(before[i]) << "\n";
  return text.str();
}

}  // namespace

std::string contradiction(std::vector<Observation> const& observations, std::size_t most) {
  struct Moment {
    Clock::time_point time;
    bool ends;
    std::size_t observation;
  };
  std::vector<Moment> moments;
  for (std::size_t i = 0; i < observations.size(); ++i) {
    moments.push_back({observations[i].begin, false, i});
    moments.push_back({observations[i].end, true, i});
  }
  std::sort(moments.begin(), moments.end(), [](Moment const& a, Moment const& b) {
    return std::tie(a.time, a.ends, a.observation) < std::tie(b.time, b.ends, b.observation);
  });
  Checker checker(observations, most);
  for (auto const& moment : moments) {
    if (!moment.ends) {
      checker.begin(moment.observation);
    } else if (!checker.end(moment.observation)) {
      return explained(checker, observations, moment.observation);
    }
  }
  return "";
}

}  // namespace snapclone::test
