// SPDX-License-Identifier: Apache-2.0
#include "clone/pool.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"

#include <fcntl.h>
#include <sys/file.h>

namespace snapclone::clone {
namespace {

constexpr off_t kReserve = 1 << 20;
constexpr char kFormat[] = "snapclone pool 1\n";

sys::Fd locked(fs::path const& path) {
  sys::Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) sys::fail("open", path.string());
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) sys::fail("lock", path.string());
  throw std::runtime_error("the pool " + path.parent_path().string() +
                           " is in use by another snapclone: two must not share a pool");
}

void check_format(fs::path const& path) {
  if (!sys::exists(path)) return;
  std::string found = sys::read_file(path);
  if (found == kFormat) return;
  throw std::runtime_error("the pool's format file " + path.string() + " says \"" +
                           found.substr(0, found.find('\n')) +
                           "\", which this version does not know: it needs the snapclone that "
                           "made the pool, or a newer one; nothing was touched");
}

}  // namespace

Pool::Pool(fs::path root) : root_(std::move(root)), boot_(sys::boot_id()) {
  sys::ensure_dir(root_);
  check_format(root_ / "format");
  lock_ = locked(root_ / "lock");
  descriptor_ = sys::open_dir(root_);
  for (auto const* name : {"layers", "volumes", "clones", "mounts", "staging", "trash"}) {
    sys::ensure_dir(root_ / name);
  }
  sys::ensure_dir(empty(), 0755);
  sys::ensure_dir(clones());
  sys::ensure_dir(mounts());
  // Last: a pool that says its format has all its directories.
  if (!sys::exists(root_ / "format")) {
    sys::write_file(root_ / "format", kFormat, sys::Durability::power);
    sys::sync_dir(root_);
    sys::sync_dir(root_.parent_path());
  }
}

void Pool::take_reserve() const { sys::remove_file(root_ / "reserve"); }

void Pool::keep_reserve() const {
  fs::path path = root_ / "reserve";
  sys::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) sys::fail("create", path.string());
  int code = posix_fallocate(fd.get(), 0, kReserve);
  if (code != 0) throw sys::Error("keep a reserve in", path.string(), code);
}

std::string Pool::relative(fs::path const& path) const {
  return path.lexically_relative(root_).string();
}

}  // namespace snapclone::clone
