// SPDX-License-Identifier: Apache-2.0
#include "fault/content.hpp"

#include "kit/plant.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"

#include <boost/filesystem.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

void check(int result, fs::path const& path) {
  if (result != 0) sys::fail("prepare", path.string());
}

void own(fs::path const& path, uid_t user, gid_t group, mode_t mode) {
  check(chown(path.c_str(), user, group), path);
  check(chmod(path.c_str(), mode), path);
}

void set_times(fs::path const& path, time_t second) {
  timespec const times[] = {{second, 999'999'999}, {second, 123'456'789}};
  check(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), path);
}

}  // namespace

void fill(fs::path const& root) {
  fs::create_directories(root / "config" / "inner");
  fs::create_directory(root / "cache");
  plant_file(root / "config" / "settings", "first");
  plant_file(root / "config" / "old", "to be deleted");
  plant_file(root / "cache" / "entry", "to be replaced");
  plant_file(root / "data", std::string(70'000, 'd'));
  fs::resize_file(root / "data", 1 << 20);
  fs::create_hard_link(root / "data", root / "same data");
  fs::create_symlink("config/settings", root / "link");
  check(mkfifo((root / "pipe").c_str(), 0620), root / "pipe");
  own(root / "config" / "settings", 5, 6, 0640);
  own(root / "config", 7, 8, 03750);
  own(root, 12, 34, 02751);
  mark(root / "config" / "settings", "trusted.mine", "of a file");
  mark(root, "trusted.mine", "of the root");
  time_t second = 1'000'000'000;
  for (auto const* path : {"config/settings", "config/old", "config/inner", "config", "cache/entry",
                           "cache", "data", "link", "pipe"}) {
    set_times(root / path, ++second);
  }
  set_times(root, ++second);
}

void change(fs::path const& root) {
  fs::remove(root / "config" / "old");
  fs::rename(root / "config", root / "renamed");
  plant_file(root / "renamed" / "settings", "second");
  fs::remove_all(root / "cache");
  fs::create_directory(root / "cache");
  plant_file(root / "cache" / "other", "new");
  plant_file(root / "added", "new");
  own(root / "pipe", 9, 10, 0600);
  set_times(root, 1'100'000'000);
}

void litter(fs::path const& pool) {
  std::string other_boot = "00000000-0000-0000-0000-000000000000";
  for (auto const& path :
       {fs::path("staging/layer-litter22/fs/inner"), fs::path("staging/volume-litter22"),
        fs::path("layers/orphan22/fs/inner"), fs::path("trash/other-litter22/inner"),
        fs::path("trash/layer-litter22/fs"), fs::path("trash/clone-litter22/fs"),
        "clones" / fs::path(sys::boot_id()) / "halfmade-litter22" / "fs",
        "clones" / fs::path(other_boot) / "dead-litter22" / "fs",
        "mounts" / fs::path(other_boot)}) {
    fs::create_directories(pool / path);
  }
  plant_file(pool / "staging" / "volume-litter22" / ".volume.json", "{");
  plant_file(pool / "mounts" / sys::boot_id() / "removed", "{}");
  plant_file(pool / "mounts" / sys::boot_id() / ".db", "{");
  plant_file(pool / "layers" / "orphan22" / "fs" / "file", "nobody's");
}

}  // namespace snapclone::test
