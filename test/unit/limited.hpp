// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/capabilities.hpp"
#include "sys/error.hpp"
#include "sys/system_calls.hpp"

#include <boost/test/unit_test.hpp>

#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

// Threads that may do what the plugin may. Linux keeps that for each thread, so the test itself
// goes on with more.
namespace snapclone::test {

inline void in_a_thread(std::function<void()> const& work) {
  std::exception_ptr failure;
  std::thread([&] {
    try {
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

// Kernels do, unless they are built without or only emulated by a program.
inline boost::test_tools::assertion_result kernel_takes_filters(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result result(true);
  try {
    in_a_thread([] { sys::refuse_unlisted_calls(sys::Unlisted::failing); });
  } catch (sys::Error const& error) {
    result = boost::test_tools::assertion_result(false);
    result.message() << error.what();
  }
  return result;
}

// With the plugin's capabilities, and its system calls and those that are named. What else is
// called is counted.
inline void as_the_plugin(std::vector<std::string> const& more, std::function<void()> const& work) {
  static bool const filtered = !!kernel_takes_filters({});
  in_a_thread([&] {
    sys::keep_needed_capabilities();
    if (filtered) sys::refuse_unlisted_calls(sys::Unlisted::reported, more);
    work();
  });
}

}  // namespace snapclone::test
