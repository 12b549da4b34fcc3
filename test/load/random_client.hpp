// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "load/contents.hpp"
#include "load/instance.hpp"

#include <random>

namespace snapclone::test {

// A Create, as it was asked for.
struct CreateSpec {
  std::string name;
  int tag = 0;
  json::object options = {};
  bool snapshot = false;
  std::string source = {};  // "": a plain volume
  std::string mount = {};   // of which live clone, if of one
  bool live = false;
};

// Shared by all clients of one instance. Safe from every thread.
class SharedState {
 public:
  SharedState(Ground const& where, Instance const& what, int number_of_names)
      : ground(where), instance(what), names(number_of_names) {}

  void add(CreateSpec& spec);  // gives it a tag
  CreateSpec spec(int tag) const;

  Ground const& ground;
  Instance const& instance;
  int const names;
  Contents contents;

 private:
  mutable std::mutex mutex_;  // guards the specs
  std::vector<CreateSpec> specs_;
};

// What a Create that succeeded says of the volume that it made, and of its source.
std::vector<std::pair<std::string, Observation>> observations_of(Ground const& ground,
                                                                 CreateSpec const& spec);

// One client of many. It sends random verbs for random names and notes what every answer says. It
// reads and writes what it has mounted. Sometimes it disconnects before it is answered. For one
// thread.
class RandomClient {
 public:
  RandomClient(SharedState& shared, unsigned number, unsigned seed)
      : shared_(shared),
        number_(number),
        random_(seed + number),
        caller_(shared.instance.socket()) {}

  void step();
  void leave();  // unmounts what it has mounted

  // By name.
  std::map<std::string, std::vector<Observation>> const& observations() const {
    return observations_;
  }
  std::string const& complaints() const { return complaints_; }

  // Only the log knows what became of these.
  struct Unanswered {
    Clock::time_point begin;
    std::string name;
    std::string id;   // of a Mount
    CreateSpec spec;  // of a Create
  };
  std::vector<Unanswered> const& unanswered() const { return unanswered_; }
  std::size_t creates() const { return creates_; }  // that were sent

 private:
  struct Mounted {
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
  Mounted* some_mounted();

  Answer ask(std::string const& verb, json::object const& body);
  void note(std::string const& name, Observation observation);
  void expect(bool fine, std::string const& what);
  void refused(std::string const& name, std::string const& what, std::string const& error);

  CreateSpec some_spec();
  void create();
  void create_again();
  void source_refused(CreateSpec const& spec, std::string const& error);
  void mount();
  void mount_again();
  void unmount();
  void unmount(Mounted& mounted);
  void remove();
  void look();
  void look_at(std::string const& name, Mounted* mounted);
  void list();
  void find_path();
  void ask_for_capabilities();
  void send_malformed();
  void hang_up();

  void inspect(Mounted& mounted);
  void use();
  void check_content(Mounted& mounted);

  SharedState& shared_;
  unsigned const number_;
  std::minstd_rand random_;
  Caller caller_;
  Clock::time_point begin_;  // of the last request
  std::vector<Mounted> mounted_;
  std::string seen_ = "v100";  // a name that existed a moment ago
  std::vector<Unanswered> unanswered_;
  std::map<std::string, std::vector<Observation>> observations_;
  std::string complaints_;
  std::size_t creates_ = 0;
  unsigned ids_ = 0;
};

}  // namespace snapclone::test
