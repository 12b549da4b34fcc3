// SPDX-License-Identifier: Apache-2.0
#include "kit/reboot.hpp"

#include "sys/file.hpp"

#include <boost/filesystem/operations.hpp>

#include <sys/mount.h>

namespace snapclone::test {
namespace {

constexpr char kEarlierBoot[] = "00000000-0000-0000-0000-000000000000";

}  // namespace

void unmount_all(fs::path const& mounts) {
  while (umount2(mounts.c_str(), MNT_DETACH) == 0) continue;
}

void reboot(fs::path const& pool) {
  for (auto const* kind : {"layers", "trash"}) {
    for (auto const& name : sys::list_dir(pool / kind)) {
      fs::path held = pool / kind / name / "held";
      if (fs::exists(held)) sys::write_file(held, "another boot", sys::Durability::process);
    }
  }
  for (auto const* kind : {"clones", "mounts"}) {
    for (auto const& boot : sys::list_dir(pool / kind)) {
      fs::rename(pool / kind / boot, pool / kind / kEarlierBoot);
    }
  }
}

}  // namespace snapclone::test
