// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/ground.hpp"

#include <chrono>

// The load tests: what is promised when many ask at once, for long, or for much. Each is a function
// of a ground; main.cpp makes test cases of them.
namespace snapclone::test {

// A thousand clones of one snapshot are held at once and given back.
void hold_many_clones(Ground const& ground);

// 64 clients use 100 names with every verb; each answer must be one that some order of what
// happened at the same time gives.
void mix_all_verbs(Ground const& ground);

// Many pairs of Mount and Unmount, Create and Remove: at the end the process holds no more than
// after the first ones.
void repeat_pairs(Ground const& ground);

// Get and List do not wait for a copy.
void look_during_a_copy(Ground const& ground);

// An Unmount does not wait for Mounts that copy, however many they are.
void unmount_beside_copies(Ground const& ground);

// What the command line of the tests said.
struct Settings {
  std::chrono::seconds time{0};  // --seconds N for the long form, 0: the short one
};
Settings const& settings();

}  // namespace snapclone::test
