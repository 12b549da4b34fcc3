// SPDX-License-Identifier: Apache-2.0
#include "place.hpp"

#include "pool/format.hpp"
#include "pool/pool.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "tree/copy_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

namespace snapclone {
namespace {

constexpr long kCifs = 0xff534d42;
constexpr long kSmb2 = 0xfe534d42;
constexpr long kCeph = 0x00c36400;
constexpr long kFuse = 0x65735546;

bool can_reflink(fs::path const& directory) {
  constexpr std::size_t kBlock = 4096;
  fs::path file = directory / (".trial-" + std::to_string(getpid()));
  fs::path copy = file.string() + "-copy";
  sys::write_file(file, std::string(kBlock, 'x'), sys::Durability::process);
  bool can = tree::can_reflink(file, copy);
  sys::remove_file(file);
  sys::remove_file(copy);
  return can;
}

Circumstances look(fs::path const& pool, bool image_wanted) {
  Circumstances found;
  found.image = sys::exists(image::ImageFiles(pool).image);
  found.mounted = sys::is_mounted(pool, sys::device_of(pool.parent_path()));
  found.volumes = !found.mounted && pool::holds_trees(pool);
  if (found.image || found.mounted || found.volumes || !image_wanted) return found;
  found.filesystem = unfit_filesystem(pool);
  found.reflinks = found.filesystem.empty() && can_reflink(pool.parent_path());
  return found;
}

}  // namespace

std::string unfit_filesystem(fs::path const& directory) {
  struct statfs status {};
  if (statfs(directory.c_str(), &status) != 0) sys::fail("look at", directory.string());
  switch (static_cast<long>(status.f_type)) {
    case NFS_SUPER_MAGIC:
    case V9FS_MAGIC:
    case AFS_SUPER_MAGIC:
    case kCifs:
    case kSmb2:
    case kCeph:
    case kFuse:
      return "a network file system";
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return "in memory";
    default:
      return "";
  }
}

Decision decide(bool image_wanted, Circumstances const& found) {
  if (found.image && found.volumes) {
    throw std::runtime_error(
        "there are volumes both in the pool's directory and in the image beside it: moving them "
        "has "
        "not ended. Finish that, in either direction, with \"snapclone --move-to\"");
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

Place take_place(fs::path const& pool, bool image_wanted, image::ImageSettings const& settings) {
  sys::ensure_dir(pool);
  Circumstances found = look(pool, image_wanted);
  if (!found.image && !found.mounted) pool::check_not_in_image(pool);
  Decision decision = decide(image_wanted, found);
  Place place{.why = decision.why};
  if (decision.image) {
    std::optional<pool::PoolFormat> empty_pool = pool::read_format(pool);
    try {
      place.image = image::mount_image(pool, settings);
    } catch (image::Unavailable const& error) {
      place.why = error.what();
    }
    if (place.image && empty_pool && !pool::read_format(pool)) {
      pool::make_empty_pool(pool, empty_pool->identity);
    }
  }
  if (!place.why.empty()) {
    sys::log_warning(place.image ? place.why
                                 : "the pool is a directory and no image: " + place.why);
  }
  return place;
}

}  // namespace snapclone
