// SPDX-License-Identifier: Apache-2.0
#include "place.hpp"

#include "pool/format.hpp"
#include "pool/pool.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "tree/open_beneath.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace snapclone {
namespace {

constexpr long kCifs = 0xff534d42;
constexpr long kSmb2 = 0xfe534d42;
constexpr long kCeph = 0x00c36400;
constexpr long kFuse = 0x65735546;

// With files that have no names: nothing can be left behind.
bool can_reflink(fs::path const& directory) {
  constexpr std::size_t kBlock = 4096;
  auto unnamed = [&] { return open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); };
  sys::Fd from(unnamed());
  sys::Fd to(unnamed());
  std::string content(kBlock, 'x');
  return write(from.get(), content.data(), kBlock) == static_cast<ssize_t>(kBlock) &&
         ioctl(to.get(), FICLONE, from.get()) == 0;
}

// A directory as it is below what is mounted on it.
class Underneath {
 public:
  explicit Underneath(fs::path const& directory)
      : around_(open_tree(AT_FDCWD, directory.parent_path().c_str(),
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)) {
    if (around_.get() < 0) sys::fail("look below what is mounted on", directory.string());
    path_ = fs::path(tree::proc_path(around_.get())) / directory.filename();
  }
  fs::path const& path() const { return path_; }

 private:
  sys::Fd around_;
  fs::path path_;
};

long type_of(fs::path const& directory) {
  struct statfs status {};
  if (statfs(directory.c_str(), &status) != 0) sys::fail("look at", directory.string());
  return static_cast<long>(status.f_type);
}

// An image that has no pool yet goes on with the identity of the directory's pool: the plugin may
// remember that (pool/format.hpp). A new one gets its own here, which the directory has as well.
void give_identity(fs::path const& pool, fs::path const& directory) {
  auto below = pool::read_format(directory);
  if (!pool::read_format(pool)) {
    if (!sys::is_empty_dir(pool)) return;  // the pool itself says what that is
    pool::make_empty_pool(pool, below ? below->identity : sys::random_id() + sys::random_id());
  }
  pool::PoolFormat format = *pool::read_format(pool);
  format.in_image = true;
  format.version = pool::PoolFormat{}.version;
  if (below == format) return;
  try {
    pool::write_format(directory, format);
  } catch (sys::Error const& error) {  // the host's disk may be full
    sys::log_warning(std::string("if the image is lost, it will not be missed: ") + error.what());
  }
}

}  // namespace

std::string unfit_filesystem(long type) {
  switch (type) {
    case NFS_SUPER_MAGIC:
    case V9FS_MAGIC:
    case AFS_SUPER_MAGIC:
    case kCifs:
    case kSmb2:
    case kCeph:
      return "a network file system";
    case kFuse:
      return "a file system that a program provides (FUSE)";
    case ECRYPTFS_SUPER_MAGIC:
      return "eCryptfs, which has no sparse files";
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return "a file system in memory";
    default:
      return "";
  }
}

Circumstances look_at(fs::path const& pool, bool image_wanted) {
  Circumstances found;
  found.image = image::has_image(pool);
  found.mounted = sys::is_mounted(pool, sys::device_of(pool.parent_path()));
  if (!found.mounted) {
    found.volumes = pool::holds_trees(pool) || (found.image && pool::holds_unfinished(pool));
  } else if (found.image) {
    Underneath const below(pool);
    found.volumes = pool::holds_trees(below.path()) || pool::holds_unfinished(below.path());
  }
  if (found.image || found.mounted || found.volumes || !image_wanted) return found;
  found.filesystem = unfit_filesystem(type_of(pool));
  found.reflinks = found.filesystem.empty() && can_reflink(pool.parent_path());
  return found;
}

Decision decide(bool image_wanted, Circumstances const& found) {
  if (found.image && found.volumes) {
    throw std::runtime_error(
        "there are volumes both in the pool's directory and in the image beside it: moving them "
        "has not ended. Finish that, in either direction, with \"snapclone --move-to\"");
  }
  if (found.image) {
    return {.image = true,
            .why = image_wanted
                       ? ""
                       : "IMAGE=off, but the volumes lie in an image, and stay there until "
                         "\"snapclone --move-to directory\" moves them"};
  }
  if (!image_wanted) return {};
  if (found.mounted) return {.why = "a file system of its own is mounted on the pool's directory"};
  if (found.volumes) {
    return {.why =
                "there are volumes in the pool's directory already, and they stay there until "
                "\"snapclone --move-to image\" moves them"};
  }
  if (!found.filesystem.empty()) {
    return {.why = "the pool's directory is on " + found.filesystem};
  }
  if (found.reflinks) return {.why = "files in the pool's directory can share blocks as it is"};
  return {.image = true};
}

Place take_place(fs::path const& pool, bool image_wanted, image::ImageSettings const& settings,
                 fs::path const& remembered) {
  sys::ensure_mount_point(pool);
  Circumstances found = look_at(pool, image_wanted);
  if (!found.image) {
    pool::check_not_in_image(found.mounted ? Underneath(pool).path() : pool, pool);
  }
  Decision decision = decide(image_wanted, found);
  if (decision.image && !found.image && !remembered.empty()) {
    pool::check_remembered(remembered, pool);
  }
  Place place{.why = decision.why};
  if (decision.image) {
    try {
      place.image = image::mount_image(pool, settings);
      give_identity(pool, Underneath(pool).path());
    } catch (image::Unavailable const& error) {
      place.why = error.what();
    }
  }
  if (!place.why.empty()) {
    sys::log_warning(place.image ? place.why
                                 : "the pool is a directory and no image: " + place.why);
  }
  return place;
}

}  // namespace snapclone
