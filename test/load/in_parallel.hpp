// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <thread>
#include <vector>

namespace snapclone::test {

// Calls work(0), work(1), … at once, a thread each, and throws what one of them throws.
template <class Work>
void in_parallel(int number, Work const& work) {
  std::vector<std::exception_ptr> failures(number);
  std::vector<std::thread> threads;
  for (int i = 0; i < number; ++i) {
    threads.emplace_back([&, i] {
      try {
        work(i);
      } catch (...) {
        failures.at(i) = std::current_exception();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (auto const& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace snapclone::test
