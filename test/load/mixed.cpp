// SPDX-License-Identifier: Apache-2.0
#include "load/guest.hpp"
#include "load/in_parallel.hpp"
#include "load/load.hpp"
#include "load/search.hpp"

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

using History = std::map<std::string, std::vector<Event>>;  // by name

void let_all_work(std::vector<std::unique_ptr<Guest>>& guests) {
  auto end = Clock::now() + settings().time;
  in_parallel(kClients, [&](int client) {
    Guest& guest = *guests.at(client);
    for (int i = 0; settings().time.count() > 0 ? Clock::now() < end : i < kShortSteps; ++i) {
      guest.step();
    }
  });
  for (auto& guest : guests) guest->leave();
}

// Whether the log says, in the end, what became of every request whose client had gone.
bool all_is_done(std::vector<std::unique_ptr<Guest>> const& guests, Program const& program) {
  std::size_t creates = 0;
  std::size_t mounts = 0;
  for (auto const& guest : guests) {
    creates += guest->creates();
    for (auto const& unheard : guest->unheard()) mounts += unheard.id.empty() ? 0 : 1;
  }
  return eventually([&] {
    std::size_t mounted = program.count_lines("Mount v", " id=h");
    return program.count_lines("Undo Mount v", "") == mounted &&
           program.count_lines("warning: Mount v", " id=h") + mounted == mounts &&
           program.count_lines("", "Create v") == creates;
  });
}

// When the log says what of those whose clients had gone.
class Aftermath {
 public:
  explicit Aftermath(Program const& program) {
    for (auto const& [time, text] : program.log()) {
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
std::string add_unheard(Guest const& guest, Ground const& ground, Aftermath const& log,
                        History& history) {
  std::string wrong;
  for (auto const& [begin, name, id, wish] : guest.unheard()) {
    if (id.empty()) {
      auto made = log.time_of("target=/t/" + std::to_string(wish.tag));
      if (!made) continue;
      for (auto& [of, event] : sayings(ground, wish)) {
        event.begin = begin;
        event.end = *made;
        history[of].push_back(event);
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
    history[name].push_back({.begin = begin, .end = *mounted, .what = Saying::listed});
    history[name].push_back({.begin = begin, .end = *undone, .what = Saying::flickered});
  }
  return wrong;
}

// Whatever is there now is not in use and can be removed; then there is nothing.
void clean_up(Program& program, History& history) {
  Caller caller(program.socket());
  for (int i = 0; i < kNames; ++i) {
    std::string name = "v" + std::to_string(100 + i);
    auto begin = Clock::now();
    Answer answer = caller.ask("Remove", {{"Name", name}});
    bool absent = answer.error().find("there is no volume") != std::string::npos;
    BOOST_TEST((answer.ok() || absent), name << ": " << answer.error());
    history[name].push_back({.begin = begin,
                             .end = Clock::now(),
                             .what = answer.ok() ? Saying::removed : Saying::absent});
  }
  BOOST_TEST(caller.must("List", {}).body.at("Volumes").as_array().empty());
}

// How often each thing was said: what never is in a long time, is not tested.
std::string counted(History const& history, Ground const& ground) {
  std::map<std::string, int> counts;
  for (int what = 0; what <= static_cast<int>(Saying::flickered); ++what) {
    counts[name_of(static_cast<Saying>(what))] = 0;
  }
  if (ground.backend == "btrfs") counts.erase(name_of(Saying::freezable));  // whatever is
  for (auto const& [name, events] : history) {
    for (auto const& event : events) ++counts[name_of(event.what)];
  }
  std::string text;
  for (auto const& [what, count] : counts) {
    if (settings().time.count() > 0) BOOST_TEST(count > 0, what << " never happened");
    text += std::to_string(count) + " " + what + ", ";
  }
  return text;
}

// What was found out later.
void add_content(History& history, House const& house) {
  for (auto& [name, events] : history) {
    std::erase_if(events, [&](Event& event) {
      if (event.what != Saying::holds && event.what != Saying::created) return false;
      event.files = house.ledger.first(event.tag);
      bool plain = event.what == Saying::created && house.wish(event.tag).source.empty();
      if (plain) event.files = Files{};
      return event.what == Saying::holds && !event.files;
    });
  }
}

void check_order(History const& history, Program const& program) {
  std::vector<History::value_type const*> all;
  for (auto const& entry : history) all.push_back(&entry);
  std::vector<std::string> wrong(all.size());
  std::atomic<std::size_t> next{0};
  in_parallel(kCheckers, [&](int /*checker*/) {
    for (std::size_t i = next++; i < all.size(); i = next++) {
      wrong.at(i) = contradiction(all.at(i)->second);
    }
  });
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::string const& name = all.at(i)->first;
    BOOST_TEST(wrong.at(i) == "", name << ": " << wrong.at(i) << program.log_about(name));
  }
}

}  // namespace

void mix_all_verbs(Ground const& ground) {
  Program program(ground);
  House house(ground, program, kNames);
  std::vector<std::unique_ptr<Guest>> guests;
  for (int i = 0; i < kClients; ++i) guests.push_back(std::make_unique<Guest>(house, i, kSeed));
  let_all_work(guests);

  BOOST_TEST(all_is_done(guests, program));
  History history;
  for (auto const& guest : guests) {
    BOOST_TEST(guest->complaints() == "");
    for (auto const& [name, events] : guest->events()) {
      history[name].insert(history[name].end(), events.begin(), events.end());
    }
  }
  clean_up(program, history);
  Aftermath log(program);
  for (auto const& guest : guests) {
    BOOST_TEST(add_unheard(*guest, ground, log, history) == "");
  }
  add_content(history, house);
  std::string counts = counted(history, ground);
  BOOST_TEST_MESSAGE(ground.name << ": " << counts << program.log().size() << " lines in the log");
  check_order(history, program);
  BOOST_TEST(program.leftovers() == "");
  BOOST_TEST(program.complaints() == "");
}

}  // namespace snapclone::test
