// SPDX-License-Identifier: Apache-2.0
#include "bench/kernel.hpp"

#include "backend/overlay.hpp"
#include "sys/error.hpp"

#include <boost/filesystem/operations.hpp>

#include <sys/mount.h>
#include <sys/stat.h>

namespace snapclone::bench {

BareClone::BareClone(fs::path home, fs::path const& lower)
    : home_(std::move(home)),
      upper_(home_ / "upper"),
      work_(home_ / "work"),
      target_(home_ / "mnt" / "target"),
      data_("lowerdir=" + lower.string() + ",upperdir=" + upper_.string() +
            ",workdir=" + work_.string() + "," + backend::kOverlayOptions + ",volatile") {
  fs::create_directories(home_ / "mnt");
  if (::mount("bench", (home_ / "mnt").c_str(), "tmpfs", 0, nullptr) != 0) {
    sys::fail("mount a tmpfs on", (home_ / "mnt").string());
  }
  fs::create_directory(target_);
}

BareClone::~BareClone() {
  umount2((home_ / "mnt").c_str(), MNT_DETACH);
  fs::remove_all(home_);
}

void BareClone::mount() {
  if (mkdir(upper_.c_str(), 0755) != 0) sys::fail("make directory", upper_.string());
  if (mkdir(work_.c_str(), 0700) != 0) sys::fail("make directory", work_.string());
  if (::mount("overlay", target_.c_str(), "overlay", 0, data_.c_str()) != 0) {
    sys::fail("mount an overlay on", target_.string());
  }
}

void BareClone::unmount() {
  if (umount2(target_.c_str(), UMOUNT_NOFOLLOW) != 0) sys::fail("unmount", target_.string());
}

void BareClone::clean_up() {
  fs::remove_all(upper_);
  fs::remove_all(work_);
}

}  // namespace snapclone::bench
