// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>

#include <cstdio>
#include <string>

#include <unistd.h>

namespace snapclone::test {

// What the function writes to the standard error, up to 4000 bytes.
template <class Function>
std::string errors_of(Function const& function) {
  std::fflush(stderr);
  int pipe_ends[2];
  BOOST_REQUIRE(pipe(pipe_ends) == 0);
  int usual = dup(STDERR_FILENO);
  dup2(pipe_ends[1], STDERR_FILENO);
  close(pipe_ends[1]);
  function();
  std::fflush(stderr);
  dup2(usual, STDERR_FILENO);
  close(usual);
  char text[4000];
  ssize_t size = read(pipe_ends[0], text, sizeof text);
  close(pipe_ends[0]);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace snapclone::test
