// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/choice.hpp"
#include "fault/faults.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace snapclone::test {

std::vector<Ground> const& grounds();

// What was tried, for the table in docs/faults.md.
struct Tally {
  std::size_t calls = 0;         // that change something, without a fault
  std::size_t kills = 0;         // before one of them, or when all was done
  std::size_t engine_ends = 0;   // the same, and the engine ended as well
  std::size_t second_kills = 0;  // while what a kill had left was recovered
  std::size_t failures = 0;      // calls that failed, also such as only look
  std::size_t refused = 0;       // of these, answered with an error
  std::size_t left = 0;          // of these, something was left over until the next start

  Tally& operator+=(Tally const& other);
};
std::string described(Tally const& tally);

// Everything that is tried of one scenario on one ground: every fault there is, or, in a short
// time, at calls of every kind, the same ones at every run. What is promised and does not hold
// becomes an error of the test.
class Tried {
 public:
  // For each `salt` others are chosen. `choice` knows what other scenarios have had of the ground.
  Tried(Ground const& ground, Scenario const& scenario, std::size_t salt, bool everything,
        Choice& choice)
      : ground_(ground),
        scenario_(scenario),
        salt_(salt),
        everything_(everything),
        choice_(choice) {}

  void kills();
  void second_kills();
  void failures();

  Tally const& tally() const { return tally_; }

 private:
  using Numbers = Choice::Numbers;

  Numbers chosen(Undisturbed const& undisturbed, Effect effect) const;
  void fail(std::size_t at, Undisturbed const& undisturbed);
  bool waits_for_second_try(std::size_t at, Undisturbed const& undisturbed) const;
  template <class Attempt>
  bool attempt(Attempt const& attempt);
  fs::path new_directory() const;

  Ground const& ground_;
  Scenario const& scenario_;
  std::size_t const salt_;
  bool const everything_;
  Choice& choice_;
  Tally tally_;
  std::size_t problems_ = 0;
};

}  // namespace snapclone::test
