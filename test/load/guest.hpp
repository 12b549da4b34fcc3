// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "load/ledger.hpp"
#include "load/program.hpp"

#include <random>

namespace snapclone::test {

// A Create, as it was asked for.
struct Wish {
  std::string name;
  int tag = 0;
  json::object options = {};
  bool snapshot = false;
  std::string source = {};  // "": a plain volume
  std::string mount = {};   // of which live clone, if of one
  bool live = false;
};

// What all clients of one program have in common.
class House {
 public:
  House(Ground const& where, Program const& what, int number_of_names)
      : ground(where), program(what), names(number_of_names) {}

  void add(Wish& wish);  // gives it a tag
  Wish wish(int tag) const;
  std::size_t wishes() const;

  Ground const& ground;
  Program const& program;
  int const names;
  Ledger ledger;

 private:
  mutable std::mutex mutex_;  // guards the wishes
  std::vector<Wish> wishes_;
};

// What a Create that was granted says: of the volume that was made, and of what it was made of.
std::vector<std::pair<std::string, Event>> sayings(Ground const& ground, Wish const& wish);

// What one client of many does: random verbs on random names, and a note of what every answer says.
// It looks into what it has mounted, and writes there. Sometimes it goes before it is answered.
class Guest {
 public:
  Guest(House& house, unsigned number, unsigned seed)
      : house_(house), number_(number), random_(seed + number), caller_(house.program.socket()) {}

  void step();
  void leave();  // unmounts what it has mounted

  // By name.
  std::map<std::string, std::vector<Event>> const& events() const { return events_; }
  std::string const& complaints() const { return complaints_; }

  // Nobody knows but the log what became of these.
  struct Unheard {
    Clock::time_point begin;
    std::string name;
    std::string id;  // of a Mount
    Wish wish;       // of a Create
  };
  std::vector<Unheard> const& unheard() const { return unheard_; }
  std::size_t creates() const { return creates_; }  // that were sent

 private:
  struct Hold {
    std::string name;
    std::string id;
    fs::path path;
    int depth = 1;
    bool own = true;  // nobody else uses the ID
    int tag = 0;      // 0: not known
    bool snapshot = false;
    bool writable = true;
    Files files = {};  // what a clone must show
  };

  unsigned below(std::size_t limit) { return static_cast<unsigned>(random_() / 7 % limit); }
  bool one_in(unsigned number) { return below(number) == 0; }
  std::string some_name();
  std::string some_id(char kind);
  Hold* some_hold();

  Answer ask(std::string const& verb, json::object const& body);
  void note(std::string const& name, Event event);
  void expect(bool fine, std::string const& what);
  void refused(std::string const& name, std::string const& what, std::string const& error);

  Wish some_wish();
  void create();
  void create_again();
  void source_refused(Wish const& wish, std::string const& error);
  void mount();
  void mount_again();
  void unmount();
  void unmount(Hold& hold);
  void remove();
  void look();
  void look_at(std::string const& name, Hold* hold);
  void list();
  void find_path();
  void ask_for_capabilities();
  void talk_nonsense();
  void hang_up();

  void move_in(Hold& hold);
  void use();
  void check_content(Hold& hold);

  House& house_;
  unsigned const number_;
  std::minstd_rand random_;
  Caller caller_;
  Clock::time_point begin_;  // of the last request
  std::vector<Hold> holds_;
  std::string seen_ = "v100";  // a name that existed a moment ago
  std::vector<Unheard> unheard_;
  std::map<std::string, std::vector<Event>> events_;
  std::string complaints_;
  std::size_t creates_ = 0;
  unsigned ids_ = 0;
};

}  // namespace snapclone::test
