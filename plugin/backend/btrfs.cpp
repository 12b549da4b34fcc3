// SPDX-License-Identifier: Apache-2.0
#include "backend/btrfs.hpp"

#include "backend/scratch.hpp"
#include "backend/self_test.hpp"
#include "sys/error.hpp"
#include "tree/subvolume.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace snapclone::backend {
namespace {

constexpr std::size_t kNamedSubvolumes = 5;

std::vector<std::string> some_subvolumes_in(fs::path const& subvolume) {
  try {
    return tree::subvolumes_in(subvolume, kNamedSubvolumes + 1);
  } catch (sys::Error const& error) {
    if (error.code() != ENAMETOOLONG) throw;
    throw CannotCapture(
        "there is a btrfs subvolume in it, which would be empty in a snapshot, so deep that no "
        "path is long enough to name it; delete it");
  }
}

void refuse_subvolumes(fs::path const& subvolume) {
  auto found = some_subvolumes_in(subvolume);
  if (found.empty()) return;
  std::string names;
  for (std::size_t i = 0; i < found.size() && i < kNamedSubvolumes; ++i) {
    names += (names.empty() ? "\"" : ", \"") + found[i] + "\"";
  }
  if (found.size() > kNamedSubvolumes) names += " and more";
  throw CannotCapture("there are btrfs subvolumes in it, which would be empty in a snapshot: " +
                      names + "; delete them, or make plain directories of them");
}

// Throws for an immutable subvolume: nobody could delete a snapshot or clone of it.
void refuse_immutable(fs::path const& subvolume) {
  struct statx status {};
  if (statx(AT_FDCWD, subvolume.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &status) != 0) {
    sys::fail("look at", subvolume.string());
  }
  if ((status.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) == 0) return;
  throw CannotCapture(
      "its root directory is immutable or append-only; take that flag off (chattr -ia)");
}

}  // namespace

void BtrfsBackend::self_test(fs::path const& mount_point) {
  struct statfs status {};
  if (statfs(pool_.root().c_str(), &status) != 0) sys::fail("look at", pool_.root().string());
  expect(status.f_type == BTRFS_SUPER_MAGIC, "the pool is not on btrfs");
  tree::refuse_deletable_subvolumes(pool_.staging());
  fs::path trial = pool_.staging() / "btrfs-trial";
  remove(trial);
  for (auto const* name : {"", "first", "sealed", "clone"}) sys::make_dir(trial / name);
  try {
    make_tree(trial / "first", {});
    fill_trial(Pool::content(trial / "first"));
    capture(trial / "first", trial / "sealed", Form::sealed);
    capture(trial / "sealed", trial / "clone", Form::writable);
    mount(trial / "clone", {}, Access::throwaway, "", mount_point);
    {
      Unmounter unmounter{mount_point};
      use_trial(mount_point, Pool::content(trial / "sealed"));
    }
    fs::path in_sealed = Pool::content(trial / "sealed") / "new";
    bool refused = mkdir(in_sealed.c_str(), 0700) != 0;
    if (refused && errno != EROFS) sys::fail("make", in_sealed.string());
    expect(refused, "a read-only subvolume can be written");
    tree::make_subvolume(Pool::content(trial / "clone") / "inner");
    auto inner = tree::subvolumes_in(Pool::content(trial / "clone"), 2);
    expect(inner == std::vector<std::string>{"inner"}, "a subvolume in a clone is not found");
  } catch (...) {
    remove(trial);
    throw;
  }
  remove(trial);
}

void BtrfsBackend::make_tree(fs::path const& tree, Stack const& below) {
  fs::path subvolume = Pool::content(tree);
  if (!below.empty()) return tree::snapshot_subvolume(pool_.tree(below.front()), subvolume, false);
  tree::make_subvolume(subvolume);
  if (chmod(subvolume.c_str(), kNewVolumeMode) != 0) {
    sys::fail("change mode of", subvolume.string());
  }
}

CopyReport BtrfsBackend::capture(fs::path const& tree, fs::path const& into, Form form) {
  refuse_immutable(Pool::content(tree));
  refuse_subvolumes(Pool::content(tree));
  tree::snapshot_subvolume(Pool::content(tree), Pool::content(into), form == Form::sealed);
  return {};
}

void BtrfsBackend::seal(fs::path const& tree) { tree::make_read_only(Pool::content(tree)); }

}  // namespace snapclone::backend
