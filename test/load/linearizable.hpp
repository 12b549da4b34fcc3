// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "load/model.hpp"

#include <string>
#include <vector>

// Linearizability: whether everything that clients saw of one name makes sense in some order. Two
// things that happened at the same time may stand in either order; if one had ended before the
// other began, they may not. The algorithm is that of G. Lowe, "Testing for linearizability", 2016:
// it goes through time and keeps all that is possible.
namespace snapclone::test {

// "" if there is an order of the observations in which each may happen, beginning with no volume;
// else the observation that fits into none. The check keeps at most `most` states: if there are
// more it gives up, and says so.
std::string contradiction(std::vector<Observation> const& observations, std::size_t most = 500'000);

}  // namespace snapclone::test
