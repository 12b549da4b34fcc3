// SPDX-License-Identifier: Apache-2.0
#include "pool/pool.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"

#include <algorithm>
#include <cstdio>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace snapclone::pool {
namespace {

constexpr off_t kReserve = 1 << 20;
constexpr off_t kLeastReserve = 1 << 17;  // xfs makes inodes in pieces of 32 KiB

std::set<std::string> const kFiles = {"lock", "reserve", ".format", "format", "moving", ".moving"};
std::set<std::string> const kDirectories = {"layers",  "volumes", "clones", "mounts",
                                            "staging", "trash",   "empty"};

// Others who may rename its entries could show the plugin another pool, or none.
void check_nobody_else_may_change(fs::path const& root) {
  struct stat status {};
  if (fstat(sys::open_dir(root).get(), &status) != 0) sys::fail("look at", root.string());
  if (status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  char mode[8];
  std::snprintf(mode, sizeof mode, "%04o", status.st_mode & 07777U);
  throw std::runtime_error(
      "the pool " + root.string() + " could be changed by others than root: it belongs to user " +
      std::to_string(status.st_uid) + " and its mode is " + mode +
      ". Give it to root alone, with chown root and chmod go-w. Nothing was touched");
}

// Opened for reading: a file that is open for writing would keep the file system from being made
// read-only.
sys::Fd lock(fs::path const& path, std::string const& pool) {
  sys::Fd fd(open(path.c_str(), O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) sys::fail("open", path.string());
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) sys::fail("lock", path.string());
  throw std::runtime_error("the pool " + pool +
                           " is in use by another snapclone: two must not share a pool");
}

// A process that ended while it made a pool left empty directories. Anything else is not ours, or
// is a pool that has lost its file `format`, and would be taken for rubbish.
bool is_left_of_a_start(fs::path const& root, std::string const& name) {
  if (name == "lost+found" || kFiles.count(name) != 0) return true;
  if (kDirectories.count(name) == 0) return false;
  for (auto const& inner : sys::list_dir(root / name)) {
    bool boot = name == "clones" || name == "mounts";
    if (!boot || !sys::is_empty_dir(root / name / inner)) return false;
  }
  return true;
}

// Whoever named the directory may have meant another one.
void check_nothing_else_is_in(fs::path const& root) {
  for (auto const& name : sys::list_dir(root)) {
    if (is_left_of_a_start(root, name)) continue;
    throw std::runtime_error(
        "the directory " + root.string() +
        " has no file \"format\", so it is no pool, and it is not empty: see \"" + name +
        "\". A pool needs a directory of its own; if this is a pool whose file "
        "was lost, restore that. Nothing was touched");
  }
}

// A pool with a format had all its directories. Without its records every layer would be taken for
// rubbish, and without its layers every record.
void check_whole(fs::path const& root) {
  for (auto const* name : {"volumes", "layers"}) {
    if (sys::exists(root / name)) continue;
    throw std::runtime_error("the pool " + root.string() + " has lost its directory \"" + name +
                             "\": restore it; nothing was touched");
  }
}

bool has_any_in(fs::path const& directory) {
  return sys::exists(directory) && !sys::is_empty_dir(directory);
}

}  // namespace

bool holds_unfinished(fs::path const& root) { return has_any_in(root / "staging"); }

bool has_any(Stack const& stack, std::set<std::string> const& layers) {
  return std::any_of(stack.begin(), stack.end(),
                     [&](auto const& layer) { return layers.count(layer) != 0; });
}

bool holds_trees(fs::path const& root) {
  for (auto const* parent : {"layers", "volumes", "trash"}) {
    if (has_any_in(root / parent)) return true;
  }
  fs::path clones = root / "clones";
  if (!sys::exists(clones)) return false;
  auto boots = sys::list_dir(clones);
  return std::any_of(boots.begin(), boots.end(),
                     [&](auto const& boot) { return !sys::is_empty_dir(clones / boot); });
}

void make_empty_pool(fs::path const& root, std::string const& identity) {
  for (auto const& name : kDirectories) sys::ensure_dir(root / name);
  write_format(root, {.identity = identity});
}

void check_not_in_use(fs::path const& root) {
  fs::path const path = root / "lock";
  sys::Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) return;
  if (fd.get() < 0) sys::fail("open", path.string());
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return;
  if (errno != EWOULDBLOCK) sys::fail("lock", path.string());
  throw std::runtime_error("the pool " + root.string() +
                           " is in use by a plugin: disable it first, with \"docker plugin disable "
                           "--force snapclone\", or stop the service");
}

Pool::Pool(fs::path root, std::string const& on_host)
    : root_(std::move(root)), boot_(sys::boot_id()) {
  sys::ensure_dir(root_);
  std::optional<PoolFormat> found = read_format(root_);
  if (found) {
    check_not_in_image(root_);
    check_whole(root_);
  } else {
    check_nothing_else_is_in(root_);
  }
  check_nobody_else_may_change(root_);
  lock_ = lock(root_ / "lock", on_host.empty() ? root_.string() : on_host);
  take_reserve();
  sys::remove_file(sys::temporary_of(root_ / "format"));
  descriptor_ = sys::open_dir(root_);
  disk_errors_ = std::make_unique<DiskErrors>(root_);
  for (auto const& name : kDirectories) sys::ensure_dir(root_ / name);
  for (auto const& name : sys::list_dir(root_)) {
    if (kFiles.count(name) + kDirectories.count(name) != 0) sys::make_private(root_ / name);
  }
  sys::ensure_dir(clones());
  sys::ensure_dir(mounts());
  // Last, so that a pool with a format has all its directories.
  if (found) format_ = *found;
  if (!format_.identity.empty()) return;
  format_.identity = sys::random_id() + sys::random_id();
  write_format(root_, format_);
  sys::sync_dir(root_.parent_path());
}

std::string Pool::backend() const { return holds_trees(root_) ? format_.backend : ""; }

void Pool::set_backend(std::string const& name) {
  PoolFormat format = format_;
  format.backend = name;
  format.version = version_for(name);
  if (format == format_) return;
  write_format(root_, format);
  format_ = format;
}

void Pool::take_reserve() const { sys::remove_file(root_ / "reserve"); }

void Pool::keep_reserve() const {
  fs::path path = root_ / "reserve";
  sys::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) sys::fail("create", path.string());
  struct stat kept {};
  if (fstat(fd.get(), &kept) != 0) sys::fail("look at", path.string());
  if (kept.st_size >= kLeastReserve) return;
  int code = 0;
  for (off_t size = kReserve; size >= kLeastReserve; size /= 2) {
    code = posix_fallocate(fd.get(), 0, size);
    if (code == 0) return;
  }
  take_reserve();
  throw sys::Error("keep a reserve in", path.string(), code);
}

std::string Pool::relative(fs::path const& path) const {
  return path.lexically_relative(root_).string();
}

}  // namespace snapclone::pool
