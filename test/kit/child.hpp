// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include <sys/types.h>

namespace snapclone::test {

// Work in a process of its own, which a fork makes: for what ends a process, or belongs to one.
// Nothing runs at its end but what the work itself does. For processes with a single thread.
class Child {
 public:
  struct Result {
    bool succeeded = false;  // nothing was thrown
    int signal = 0;          // that ended it
    std::string text = {};   // what the work returned, or what() it threw
  };

  // Starts at once.
  explicit Child(std::function<std::string()> const& work);
  ~Child();  // kills it
  Child(Child const&) = delete;
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;

  // Waits until it has ended. Once.
  Result wait();

 private:
  pid_t pid_ = -1;
  int said_ = -1;
};

// Starts it, and waits.
Child::Result in_a_child(std::function<std::string()> const& work);

}  // namespace snapclone::test
