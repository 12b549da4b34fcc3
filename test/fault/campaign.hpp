// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/faults.hpp"
#include "fault/sampling.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace snapclone::test {

std::vector<Ground> const& grounds();

// How much was done, for the table in docs/faults.md.
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

// The attempts in one scenario on one ground: with every fault there is, or, in a short time, at
// calls of every kind, the same ones at every run. A broken promise becomes an error of the test;
// after a few of them no more is attempted.
class Campaign {
 public:
  // For each `salt` others are chosen. `sampling` knows what other scenarios have had of the
  // ground.
  Campaign(Ground const& ground, Scenario const& scenario, std::size_t salt, bool everything,
           Sampling& sampling)
      : ground_(ground),
        scenario_(scenario),
        salt_(salt),
        everything_(everything),
        sampling_(sampling) {}

  void kills();
  void second_kills();
  void failures();

  Tally const& tally() const { return tally_; }

 private:
  using Numbers = Sampling::Numbers;

  Numbers chosen(Undisturbed const& undisturbed, Effect effect) const;
  void fail(std::size_t at, Undisturbed const& undisturbed);
  bool waits_for_second_try(std::size_t at, Undisturbed const& undisturbed) const;
  template <class Work>
  bool guarded(Work const& attempt);
  fs::path new_directory() const;

  Ground const& ground_;
  Scenario const& scenario_;
  std::size_t const salt_;
  bool const everything_;
  Sampling& sampling_;
  Tally tally_;
  std::size_t problems_ = 0;
};

}  // namespace snapclone::test
