// SPDX-License-Identifier: Apache-2.0
#include "kit/resources.hpp"

#include "sys/file.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

namespace snapclone::test {
namespace {

std::size_t lines_in(std::string const& path) {
  std::ifstream file(path);
  return static_cast<std::size_t>(
      std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n'));
}

}  // namespace

Resources resources_of(pid_t process) {
  std::string const proc = "/proc/" + std::to_string(process);
  Resources resources;
  std::size_t size = 0;
  std::ifstream(proc + "/statm") >> size >> resources.resident;
  resources.resident *= static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  resources.descriptors = sys::list_dir(proc + "/fd").size();
  resources.threads = sys::list_dir(proc + "/task").size();
  resources.mounts = lines_in(proc + "/mountinfo");
  return resources;
}

}  // namespace snapclone::test
