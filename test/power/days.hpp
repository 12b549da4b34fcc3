// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "power/history.hpp"

#include <functional>

// What happens on a machine until the power is cut, while some volumes and clones are in use.
namespace snapclone::test {

// Every way to make and remove a volume or snapshot, one after the other.
Recording ordinary_day(Ground const& ground);

// The same at random, and longer.
Recording random_day(Ground const& ground, unsigned seed);

// Several containers and people at once, each with volumes of its own.
Recording busy_day(Ground const& ground);

// A volume that changes and is frozen until its stack is so high that it is flattened. Only that is
// worth a power cut.
Recording day_of_a_high_stack(Ground const& ground);

// Has it spent on a new machine, and records that. `spend` sets what the recording has beside.
Recording spent(Ground const& ground,
                std::function<void(Machine& machine, Recording& recording)> const& spend);

// Parts of days: what a container does to its volume. `number` makes it different from the last.
void fill(fs::path const& root);
void change(fs::path const& root, unsigned number);
void use(History& history, std::string const& name, unsigned number);

}  // namespace snapclone::test
