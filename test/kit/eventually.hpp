// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace snapclone::test {

using namespace std::chrono_literals;

// How long tests wait for what must happen. Nothing depends on how fast it does.
constexpr std::chrono::seconds kPatience = 60s;

// Evaluates the predicate, ever less often, until it holds. False if it never does within `limit`.
template <class Predicate>
bool eventually(Predicate const& predicate, std::chrono::milliseconds limit = kPatience) {
  auto const end = std::chrono::steady_clock::now() + limit;
  for (std::chrono::microseconds pause = 100us; !predicate(); pause = std::min(2 * pause, 2000us)) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace snapclone::test
