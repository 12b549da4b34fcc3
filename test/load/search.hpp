// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "load/model.hpp"

#include <string>
#include <vector>

// Whether there is an order of everything that clients saw of one name in which it makes sense.
// What happened at the same time may have happened in either order; what had ended before something
// else began, had not. ("Linearizable" is the word for it. The search is the one of G. Lowe,
// "Testing for linearizability", 2016, which goes through time and keeps all that is possible.)
namespace snapclone::test {

// "" if there is an order of the events in which each may happen, beginning with nothing; else
// where the search ended. `most` is a bound for the states that are kept: the search gives up, and
// says so, rather than go on for ever.
std::string contradiction(std::vector<Event> const& events, std::size_t most = 500'000);

}  // namespace snapclone::test
