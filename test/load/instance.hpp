// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/ground.hpp"
#include "kit/media.hpp"
#include "kit/program.hpp"
#include "kit/resources.hpp"
#include "load/timed_log.hpp"

#include <string>

namespace snapclone::test {

// The program that lies beside these tests, running on a file system of its own. Safe from every
// thread.
class Instance {
 public:
  explicit Instance(Ground const& ground, std::string const& log_level = "info");

  fs::path const& socket() const { return program_.socket(); }
  fs::path const& pool() const { return program_.pool(); }
  TimedLog const& log() const { return log_; }

  Resources resources() const { return resources_of(program_.pid()); }

  // Waits until it has deleted what it has to delete; false if that does not happen.
  bool settles() const;

  // Whether it then holds no more descriptors, threads and mounts, in the end.
  bool holds_no_more_than(Resources const& before) const;

  // What is left on disk and mounted when there is no volume any more, a line each; "" if that is
  // nothing, as soon as it is.
  std::string leftovers() const;

 private:
  Media media_;
  TimedLog log_;
  Program program_;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

}  // namespace snapclone::test
