// SPDX-License-Identifier: Apache-2.0
#include "kit/requirements.hpp"
#include "load/in_parallel.hpp"
#include "load/instance.hpp"
#include "load/linearizable.hpp"
#include "load/load.hpp"
#include "load/random_client.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <memory>
#include <unordered_map>

namespace snapclone::test {
namespace {

constexpr int kClients = 64;
constexpr int kNames = 100;
constexpr int kCheckers = 2;
constexpr int kShortSteps = 100;  // of each client
constexpr unsigned kSeed = 20260131;

using History = std::map<std::string, std::vector<Observation>>;  // by name

void let_all_work(std::vector<std::unique_ptr<RandomClient>>& clients) {
  auto end = Clock::now() + settings().time;
  in_parallel(kClients, [&](int number) {
    RandomClient& client = *clients.at(number);
    for (int i = 0; settings().time.count() > 0 ? Clock::now() < end : i < kShortSteps; ++i) {
      client.step();
    }
  });
  for (auto& client : clients) client->leave();
}

// Whether the log says, in the end, what became of every request whose client had gone.
bool all_is_done(std::vector<std::unique_ptr<RandomClient>> const& clients,
                 Instance const& instance) {
  std::size_t creates = 0;
  std::size_t mounts = 0;
  for (auto const& client : clients) {
    creates += client->creates();
    for (auto const& unanswered : client->unanswered()) mounts += unanswered.id.empty() ? 0 : 1;
  }
  return eventually([&] {
    std::size_t mounted = instance.log().count("Mount v", " id=h");
    return instance.log().count("Undo Mount v", "") == mounted &&
           instance.log().count("warning: Mount v", " id=h") + mounted == mounts &&
           instance.log().count("", "Create v") == creates;
  });
}

// When the log says what of those whose clients had gone.
class LogTimes {
 public:
  explicit LogTimes(Instance const& instance) {
    for (auto const& [time, text] : instance.log().lines()) {
      std::string line = text.substr(0, text.find(" -> "));
      if (auto target = text.find("target="); text.rfind("Create ", 0) == 0) {
        line = text.substr(target, text.find(' ', target) - target);
      }
      times_.emplace(line, time);  // the first, if it was repeated
    }
  }

  std::optional<Clock::time_point> time_of(std::string const& line) const {
    auto found = times_.find(line);
    if (found == times_.end()) return std::nullopt;
    return found->second;
  }

 private:
  std::unordered_map<std::string, Clock::time_point> times_;
};

// Adds what became of them, and returns what should not have.
std::string add_unanswered(RandomClient const& client, Ground const& ground, LogTimes const& log,
                           History& history) {
  std::string wrong;
  for (auto const& [begin, name, id, spec] : client.unanswered()) {
    if (id.empty()) {
      auto made = log.time_of("target=/t/" + std::to_string(spec.tag));
      if (!made) continue;
      for (auto& [of, observation] : observations_of(ground, spec)) {
        observation.begin = begin;
        observation.end = *made;
        history[of].push_back(observation);
      }
      continue;
    }
    std::string mount = "Mount " + name + " id=" + id;
    auto mounted = log.time_of(mount);
    if (!mounted) continue;
    auto undone = log.time_of("Undo " + mount + " (the client has gone)");
    if (!undone) {
      wrong += mount + " was not undone\n";
      continue;
    }
    history[name].push_back({.begin = begin, .end = *mounted, .kind = Observation::listed});
    history[name].push_back({.begin = begin, .end = *undone, .kind = Observation::flickered});
  }
  return wrong;
}

// Whatever is there now is not in use and can be removed; then there is nothing.
void clean_up(Instance& instance, History& history) {
  Caller caller(instance.socket());
  for (int i = 0; i < kNames; ++i) {
    std::string name = "v" + std::to_string(100 + i);
    auto begin = Clock::now();
    Answer answer = caller.ask("Remove", {{"Name", name}});
    bool absent = answer.error().find("there is no volume") != std::string::npos;
    BOOST_TEST((answer.ok() || absent), name << ": " << answer.error());
    history[name].push_back({.begin = begin,
                             .end = Clock::now(),
                             .kind = answer.ok() ? Observation::removed : Observation::absent});
  }
  BOOST_TEST(caller.must("List", {}).body.at("Volumes").as_array().empty());
}

// How often each thing was said: what never is in a long time, is not tested.
std::string counted(History const& history, Ground const& ground) {
  std::map<std::string, int> counts;
  for (int what = 0; what <= static_cast<int>(Observation::flickered); ++what) {
    counts[name_of(static_cast<Observation::Kind>(what))] = 0;
  }
  if (ground.backend == "btrfs") counts.erase(name_of(Observation::freezable));  // whatever is
  for (auto const& [name, observations] : history) {
    for (auto const& observation : observations) ++counts[name_of(observation.kind)];
  }
  std::string text;
  for (auto const& [what, count] : counts) {
    if (settings().time.count() > 0) BOOST_TEST(count > 0, what << " never happened");
    text += std::to_string(count) + " " + what + ", ";
  }
  return text;
}

// What was found out later.
void add_content(History& history, SharedState const& shared) {
  for (auto& [name, observations] : history) {
    std::erase_if(observations, [&](Observation& observation) {
      if (observation.kind != Observation::holds && observation.kind != Observation::created)
        return false;
      observation.files = shared.contents.first(observation.tag);
      bool plain =
          observation.kind == Observation::created && shared.spec(observation.tag).source.empty();
      if (plain) observation.files = Files{};
      return observation.kind == Observation::holds && !observation.files;
    });
  }
}

void check_order(History const& history, Instance const& instance) {
  std::vector<History::value_type const*> all;
  for (auto const& entry : history) all.push_back(&entry);
  std::vector<std::string> wrong(all.size());
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> broken{0};
  in_parallel(kCheckers, [&](int /*checker*/) {
    for (std::size_t i = next++; i < all.size() && broken < kMostFailures; i = next++) {
      wrong.at(i) = contradiction(all.at(i)->second);
      if (!wrong.at(i).empty()) ++broken;
    }
  });
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string const& name = all.at(i)->first;
    BOOST_TEST(wrong.at(i) == "", name << ": " << wrong.at(i) << instance.log().about(name));
  }
}

}  // namespace

void mix_all_verbs(Ground const& ground) {
  Instance instance(ground);
  SharedState shared(ground, instance, kNames);
  std::vector<std::unique_ptr<RandomClient>> clients;
  for (int i = 0; i < kClients; ++i)
    clients.push_back(std::make_unique<RandomClient>(shared, i, kSeed));
  let_all_work(clients);

  BOOST_REQUIRE(all_is_done(clients, instance));
  History history;
  for (auto const& client : clients) {
    BOOST_TEST(client->complaints() == "");
    for (auto const& [name, observations] : client->observations()) {
      history[name].insert(history[name].end(), observations.begin(), observations.end());
    }
  }
  clean_up(instance, history);
  LogTimes log(instance);
  for (auto const& client : clients) {
    BOOST_TEST(add_unanswered(*client, ground, log, history) == "");
  }
  add_content(history, shared);
  std::string counts = counted(history, ground);
  BOOST_TEST_MESSAGE(ground.name << ": " << counts << instance.log().lines().size()
                                 << " lines in the log");
  check_order(history, instance);
  BOOST_TEST(instance.leftovers() == "");
  BOOST_TEST(instance.log().complaints() == "");
}

}  // namespace snapclone::test
