// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/rig.hpp"

#include <functional>
#include <map>
#include <string>

namespace snapclone::test {

using Heights = std::map<std::string, std::size_t>;  // leftovers.hpp

// Throws, with the promise that is broken.
[[noreturn]] void broken(std::string const& promise, std::string const& details);

// A rig where everything before the test has been done, and the two states that it may be in after
// it. The checks throw.
class Attempt {
 public:
  Attempt(Scenario const& scenario, Ground const& ground, fs::path const& directory,
          Watching watching);

  struct Manner {
    bool describe = false;  // remember every call
    bool together = false;  // the background goes on meanwhile; else it begins after the answer
    bool patient = true;    // see the background try again what it could not do
  };

  // Does what is tested, and then whatever follows from it in the background, with a fault. True if
  // the fault struck.
  bool strike(Fault fault, Manner const& manner);
  // The same for a start.
  bool strike_start(Fault fault, Manner const& manner);

  Rig& rig() { return rig_; }
  Answer const& answer() const { return answer_; }
  std::string const& left() const { return left_; }  // when all was done
  std::string target() const;                        // the call that was struck, or "the end"
  std::string error() const;                         // what it failed with

  void engine_ends();

  // What was acknowledged is there, what was not is wholly there or not at all.
  void check_found(bool may_be_undone, bool may_be_done);
  void check_model(std::string const& when);

  void check_nothing_is_left(std::string const& when);
  // Only what could not be cleaned up may be left, which the log says, and not beyond the next
  // start. Returns it.
  std::string check_what_is_left();

  // The next try works, and ends where an undisturbed one does.
  void check_next_try(Heights const& undisturbed);
  void check_all_can_go();

  // An error says what could not be done, and why; an Unmount has none.
  void check_sentence() const;
  // What failed and was got over is said in the log.
  void check_tolerated() const;
  // Only a start may end the process, and it says why.
  void check_start_failed() const;

 private:
  bool starts() const { return scenario_.tested.verb == Step::Verb::start; }
  bool run(Fault fault, Manner const& manner, std::function<Answer()> const& act);

  Scenario const& scenario_;
  Watching const watching_;
  Rig rig_;
  Model before_;
  Model after_;
  Answer answer_;
  std::string left_;
  bool without_engine_ = false;
  bool needs_boot_ = false;
};

}  // namespace snapclone::test
