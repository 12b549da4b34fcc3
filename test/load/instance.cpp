// SPDX-License-Identifier: Apache-2.0
#include "load/instance.hpp"

#include "kit/leftovers.hpp"

namespace snapclone::test {
namespace {

constexpr std::uint64_t kMegabytes = 4096;  // btrfs frees what was deleted later, and that adds up

}  // namespace

Instance::Instance(Ground const& ground, std::string const& log_level)
    : media_(ground.filesystem, "size=2g", kMegabytes),
      program_({.pool = media_.path / "pool",
                .mounts = media_.path / "mnt",
                .socket = media_.path.parent_path() / "s.sock",
                .backend = ground.backend,
                .log_level = log_level,
                .more_arguments = {"--prune-pause", "0"},
                .log = log_.descriptor()}) {
  program_.start();
  try {
    program_.connect();
  } catch (std::exception const& error) {
    throw std::runtime_error(error.what() + log_.about(""));
  }
}

bool Instance::settles() const {
  return eventually([this] { return all_is_deleted(pool(), program_.mounts()); });
}

bool Instance::holds_no_more_than(Resources const& before) const {
  return settles() && eventually([&] {
           Resources now = resources();
           return now.descriptors <= before.descriptors && now.threads <= before.threads &&
                  now.mounts <= before.mounts;
         });
}

std::string Instance::leftovers() const {
  std::string found;
  eventually([&] {
    found = test::leftovers(pool(), program_.mounts());
    for (auto const& name : sys::list_dir(pool() / "volumes")) found += "volume " + name + "\n";
    return found.empty();
  });
  return found;
}

}  // namespace snapclone::test
