// SPDX-License-Identifier: Apache-2.0
#include "bench/timed.hpp"

#include "bench/samples.hpp"

#include <random>

namespace snapclone::bench {

std::string new_mount_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id;
  while (id.size() < 64) id += "0123456789abcdef"[random() % 16];
  return id;
}

double timed_mount(Caller& caller, std::string const& name, std::string const& id) {
  caller.get(name);
  return us([&] { caller.mount(name, id); });
}

double timed_unmount(Caller& caller, std::string const& name, std::string const& id) {
  caller.get(name);
  return us([&] { caller.unmount(name, id); });
}

}  // namespace snapclone::bench
