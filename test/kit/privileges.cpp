// SPDX-License-Identifier: Apache-2.0
#include "kit/privileges.hpp"

#include "sys/capabilities.hpp"
#include "sys/error.hpp"
#include "sys/system_calls.hpp"

#include <exception>
#include <thread>

namespace snapclone::test {

void in_a_thread(std::function<void()> const& work) {
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

std::string why_no_filter() {
  try {
    in_a_thread([] { sys::refuse_unlisted_calls(sys::Unlisted::failing); });
    return "";
  } catch (sys::Error const& error) {
    return error.what();
  }
}

void as_the_plugin(std::vector<std::string> const& more, std::function<void()> const& work) {
  static bool const filtered = why_no_filter().empty();
  in_a_thread([&] {
    sys::keep_needed_capabilities();
    if (filtered) sys::refuse_unlisted_calls(sys::Unlisted::reported, more);
    work();
  });
}

}  // namespace snapclone::test
