// SPDX-License-Identifier: Apache-2.0
#include "kit/command.hpp"

#include "sys/error.hpp"

#include <array>
#include <cstdio>
#include <stdexcept>

#include <unistd.h>

namespace snapclone::test {

std::string run(std::string const& command) {
  // Mounting an overlay has left the thread in a pool that may be gone, of which sh would complain.
  if (chdir("/") != 0) sys::fail("change to", "/");
  FILE* pipe = popen(("exec 2>&1; PATH=$PATH:/usr/sbin:/sbin; " + command).c_str(), "re");
  if (pipe == nullptr) sys::fail("run", command);
  std::string output;
  std::array<char, 4096> part{};
  while (std::size_t size = std::fread(part.data(), 1, part.size(), pipe)) {
    output.append(part.data(), size);
  }
  if (pclose(pipe) != 0) throw std::runtime_error(command + " failed: " + output);
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

}  // namespace snapclone::test
