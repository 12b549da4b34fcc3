// SPDX-License-Identifier: Apache-2.0
#include "tree/subvolume.hpp"

#include "sys/capabilities.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>

#include <btrfsutil.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace snapclone::tree {
namespace {

constexpr ino_t kSubvolumeRoot = 256;  // BTRFS_FIRST_FREE_OBJECTID

void check(btrfs_util_error error, std::string const& step, std::string const& path) {
  if (error == BTRFS_UTIL_OK) return;
  int code = errno;
  if (code != 0) throw sys::Error(step, path, code);
  throw std::runtime_error("cannot " + step + " " + path + ": " + btrfs_util_strerror(error));
}

bool is_subvolume(int parent, std::string const& name) {
  struct stat status {};
  struct statfs system {};
  if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return false;
    sys::fail("look at", name);
  }
  if (!S_ISDIR(status.st_mode) || status.st_ino != kSubvolumeRoot) return false;
  if (fstatfs(parent, &system) != 0) sys::fail("look at the file system of", name);
  return system.f_type == BTRFS_SUPER_MAGIC;
}

}  // namespace

void make_subvolume(fs::path const& path) {
  check(btrfs_util_create_subvolume(path.c_str(), 0, nullptr, nullptr), "make the subvolume",
        path.string());
}

void snapshot_subvolume(fs::path const& from, fs::path const& to, bool read_only) {
  int flags = read_only ? BTRFS_UTIL_CREATE_SNAPSHOT_READ_ONLY : 0;
  check(btrfs_util_create_snapshot(from.c_str(), to.c_str(), flags, nullptr, nullptr),
        "make a btrfs snapshot at", to.string());
}

void make_read_only(fs::path const& subvolume) {
  check(btrfs_util_set_subvolume_read_only(subvolume.c_str(), true), "make read-only",
        subvolume.string());
}

std::vector<std::string> subvolumes_in(fs::path const& subvolume, std::size_t most) {
  std::string const step = "look for subvolumes in";
  sys::Fd fd = sys::open_dir(subvolume);
  btrfs_util_subvolume_iterator* started = nullptr;
  check(btrfs_util_create_subvolume_iterator_fd(fd.get(), 0, 0, &started), step,
        subvolume.string());
  std::unique_ptr<btrfs_util_subvolume_iterator, void (*)(btrfs_util_subvolume_iterator*)> all(
      started, btrfs_util_destroy_subvolume_iterator);
  std::vector<std::string> found;
  while (found.size() < most) {
    char* name = nullptr;
    btrfs_util_error error = btrfs_util_subvolume_iterator_next(all.get(), &name, nullptr);
    if (error == BTRFS_UTIL_ERROR_STOP_ITERATION) break;
    check(error, step, subvolume.string());
    found.emplace_back(name);
    std::free(name);  // NOLINT: libbtrfsutil allocates it
  }
  return found;
}

bool remove_subvolume(int parent, std::string const& name) {
  if (!is_subvolume(parent, name)) return false;
  int flags = BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE;
  if (btrfs_util_delete_subvolume_fd(parent, name.c_str(), flags) == BTRFS_UTIL_OK) return true;
  sys::Fd fd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0) sys::fail("open", name);
  check(btrfs_util_set_subvolume_read_only_fd(fd.get(), false), "make writable", name);
  return false;
}

void refuse_deletable_subvolumes(fs::path const& directory) {
  fs::path trial = directory / ("deletable-" + sys::random_id());
  make_subvolume(trial);
  bool deleted = false;
  std::exception_ptr failure;
  {
    std::jthread ordinary([&] {
      try {
        sys::give_up_capability(CAP_SYS_ADMIN);  // as a container's root by default
        deleted = btrfs_util_delete_subvolume(trial.c_str(), 0) == BTRFS_UTIL_OK;
      } catch (...) {
        failure = std::current_exception();
      }
    });
  }
  if (!deleted) check(btrfs_util_delete_subvolume(trial.c_str(), 0), "delete", trial.string());
  if (failure) std::rethrow_exception(failure);
  if (!deleted) return;
  throw std::runtime_error(
      "its file system is mounted with user_subvol_rm_allowed, with which every container could "
      "delete every subvolume on it: unmount it, and mount it without that option");
}

}  // namespace snapclone::tree
