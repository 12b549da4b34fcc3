// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

// Work with no more privileges than the plugin has. Linux keeps them for each thread, so the test
// itself goes on with more.
namespace snapclone::test {

// Works on a thread of its own, and throws what that throws.
void in_a_thread(std::function<void()> const& work);

// Why the kernel takes no filter of system calls; "" if it does. Kernels do, unless they are built
// without or only emulated by a program.
std::string why_no_filter();

// Works with the plugin's capabilities, and with its system calls and those that are named. Other
// calls are counted: sys::refused_calls().
void as_the_plugin(std::vector<std::string> const& more, std::function<void()> const& work);

}  // namespace snapclone::test
