// SPDX-License-Identifier: Apache-2.0
#include "mover.hpp"

#include "image/image.hpp"
#include "image/loop_device.hpp"
#include "image/space.hpp"
#include "place.hpp"
#include "pool/format.hpp"
#include "pool/pool.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "sys/text.hpp"
#include "volume/mount_points.hpp"
#include "volume/move.hpp"

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace snapclone {
namespace {

constexpr std::uint64_t kLeftOnHost = std::uint64_t{64} << 20U;
constexpr char kWorkplace[] = ".moving";  // behind the pool's path
constexpr char kGoesOn[] = "It can be interrupted at any moment; the same command goes on then";

// Whether there is an image, and whether the pool is one that was moved into it.
struct Found {
  bool image = false;
  std::optional<pool::PoolFormat> directory = {};
  sys::Fd lock = {};
};

bool is_mounted_here(fs::path const& pool) {
  return sys::is_mounted(pool, sys::device_of(pool.parent_path()));
}

// When a service has ended its image is still mounted.
void uncover(fs::path const& pool) {
  if (!is_mounted_here(pool)) return;
  fs::path image = image::ImageFiles(pool).image;
  struct stat status {};
  bool exists = lstat(image.c_str(), &status) == 0;
  auto device = exists ? image::LoopDevice::find(status) : std::nullopt;
  if (!device || device->number() != sys::device_of(pool)) {
    throw std::runtime_error("a file system of its own is mounted on " + pool.string() +
                             ". Such a pool cannot be moved: an image would lie on another disk");
  }
  pool::check_not_in_use(pool);
  if (umount2(pool.c_str(), UMOUNT_NOFOLLOW) == 0) return;
  throw sys::Error("unmount the image from", pool.string(), errno,
                   "if it is busy, somebody has a file in it open or a directory of it as the "
                   "working directory: \"fuser -vm " +
                       pool.string() + "\" says who");
}

void check_backend(fs::path const& root, std::string const& name) {
  auto format = pool::read_format(root);
  if (!format || !pool::holds_trees(root) || format->backend == "overlay") return;
  throw std::runtime_error("the pool in " + name + " was made by the backend " + format->backend +
                           ". Only pools of the backend overlay can be moved. Export its volumes "
                           "instead: docs/operations.md, \"Backup\"");
}

// For the life of the process: of two that move one pool, either could remove the image into which
// the other has moved everything. On the directory itself, below what is mounted on it.
sys::Fd lock_directory(fs::path const& pool) {
  sys::Fd directory = sys::open_dir(pool);
  if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return directory;
  if (errno != EWOULDBLOCK) sys::fail("lock", pool.string());
  throw std::runtime_error("another \"snapclone --move-to\" is at work on " + pool.string() +
                           ": wait until it has ended");
}

Found find_pool(Config const& config) {
  fs::path const& pool = config.pool;
  if (!sys::exists(pool)) throw std::runtime_error("there is no pool " + pool.string());
  if (auto left = volume::left_mounted(config.mounts)) {
    throw std::runtime_error(
        left->string() +
        " is still mounted: disable the plugin, or stop the service, and all containers that use "
        "its volumes. If none does any more, boot the machine, or unmount it with \"umount " +
        left->string() + "\"");
  }
  uncover(pool);
  sys::Fd locked = lock_directory(pool);
  Found found{sys::exists(image::ImageFiles(pool).image), pool::read_format(pool),
              std::move(locked)};
  if (!found.image) pool::check_not_in_image(pool);
  if (!found.image && !found.directory) {
    throw std::runtime_error("there is no pool in " + pool.string() + ", and no image beside it");
  }
  pool::check_not_in_use(pool);
  check_backend(pool, pool.string());
  return found;
}

// From here on nobody sees what this process mounts, and it goes with the process. What others
// unmount goes here as well, so that they are not kept from it. What they mount comes, but not in
// the pool's surroundings: a plugin that is started meanwhile mounts the image on the pool's
// directory before it finds that it may not have it.
void enter_own_namespace(fs::path const& around) {
  auto set = [](fs::path const& target, unsigned long propagation) {
    if (mount("none", target.c_str(), nullptr, propagation, nullptr) == 0) return;
    sys::fail("keep apart from the host what is mounted on", target.string());
  };
  if (unshare(CLONE_NEWNS) != 0) sys::fail("make", "a mount namespace");
  set("/", MS_REC | MS_SLAVE);
  if (around != "/") sys::bind(around, around);
  set(around, MS_PRIVATE);
}

// The directory for the mounts of this process: a tmpfs, on an empty directory beside the pool.
class Workplace {
 public:
  explicit Workplace(fs::path const& pool) : path_(pool.string() + kWorkplace) {
    sys::ensure_dir(path_);
    sys::mount_tmpfs(path_, "mode=0700,size=1m");
  }
  ~Workplace() {
    (void)umount2(path_.c_str(), MNT_DETACH);
    (void)rmdir(path_.c_str());  // a process that was killed leaves it, empty
  }
  Workplace(Workplace const&) = delete;
  Workplace& operator=(Workplace const&) = delete;

  fs::path image() const { return path_ / "image"; }
  fs::path mounts(std::string const& side) const { return path_ / side; }

 private:
  fs::path const path_;
};

// Gives an empty pool the identity of the one whose volumes it gets, before it is opened. The
// plugin remembers it, and the ids of layers are unique in a pool only.
void take_identity(fs::path const& to, fs::path const& from) {
  auto source = pool::read_format(from);
  auto target = pool::read_format(to);
  bool empty = !target || !pool::holds_trees(to);
  if (!source) return;
  if (empty) return pool::make_empty_pool(to, source->identity);
  if (!pool::holds_trees(from) || source->identity == target->identity) return;
  throw std::runtime_error(
      to.string() + " and " + from.string() + " hold volumes of different pools, " +
      target->identity + " and " + source->identity +
      ": one of them must be from a backup or another machine. Take that away");
}

volume::StoreParts open_parts(fs::path const& pool, std::string const& name,
                              fs::path const& mounts) {
  volume::StoreSettings settings{.mounts = mounts, .backend = "overlay"};
  return {pool::Pool(pool, name), settings};
}

// Overlays are mounted from within a pool (sys::mount_overlay), which keeps it busy.
void leave_pools() {
  if (fchdir(sys::open_dir("/").get()) != 0) sys::fail("enter", "/");
}

// What others have written and what is not on the host's disk yet counts as taken there, so for
// moments an image may offer nothing. The pools need a little when they are opened.
void wait_for_some_room(image::Space& space, fs::path const& mounted) {
  constexpr int kLooks = 40;
  constexpr std::uint64_t kSome = std::uint64_t{16} << 20U;
  for (int look = 0; look < kLooks; ++look) {
    struct statvfs now {};
    if (statvfs(mounted.c_str(), &now) != 0) sys::fail("look at", mounted.string());
    if (std::uint64_t{now.f_bavail} * now.f_frsize >= kSome) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    space.round();
  }
}

// The two pools, open, and the work between them.
class Moving {
 public:
  Moving(fs::path const& pool, Workplace const& place, image::MountedImage const& image,
         image::Space& space, bool into_image)
      : into_image_(into_image),
        directory_parts_(open_parts(pool, "", place.mounts("directory-mounts"))),
        image_parts_(open_parts(place.image(), image.file.string(), place.mounts("image-mounts"))),
        directory_{directory_parts_, "the directory " + pool.string(), [] {}, [] {}, kLeftOnHost},
        image_{image_parts_, "the image " + image.file.string(),
               [&image, &space] {
                 if (!image.reserved) space.trim();
               },
               [&space] { space.round(); }, 0},
        move_(into_image ? directory_ : image_, into_image ? image_ : directory_) {}

  // Whether a new image may be removed again if this throws.
  bool has_begun() const { return move_.has_begun(); }

  void run() {
    sys::log_info("moving the volumes from " + (into_image_ ? directory_ : image_).name + " into " +
                  (into_image_ ? image_ : directory_).name + ". " + kGoesOn);
    move_.prepare();
    std::size_t moved = move_.run();
    sys::log_info("moved " + std::to_string(moved) + " volumes and snapshots");
  }

 private:
  bool const into_image_;
  volume::StoreParts directory_parts_;
  volume::StoreParts image_parts_;
  volume::Side directory_;
  volume::Side image_;
  volume::Move move_;
};

// What a process left that was killed before there was an image, or after it was gone.
void clear_away(fs::path const& pool) {
  (void)rmdir((pool.string() + kWorkplace).c_str());
  image::ImageFiles files(pool);
  if (sys::exists(files.image)) return;
  sys::remove_file(files.made);
  sys::remove_file(files.reserve);
}

void end(int signal) { _exit(128 + signal); }

}  // namespace

void move_volumes(Config const& config, std::function<void()> const& give_up_privileges) {
  fs::path const& pool = config.pool;
  bool const into_image = config.move_to == "image";
  // As a container's first process it would not end otherwise.
  for (int stop : {SIGINT, SIGTERM, SIGHUP}) signal(stop, end);
  Found const found = find_pool(config);
  bool const moved = found.image && (!found.directory || found.directory->in_image);
  if (into_image ? moved : !found.image) {
    clear_away(pool);
    sys::log_info("nothing to move: the volumes of " + pool.string() + " lie in " +
                  (into_image ? "the image" : "the directory") + " already");
    return;
  }
  struct statfs status {};
  if (statfs(pool.c_str(), &status) != 0) sys::fail("look at", pool.string());
  std::string kind = unfit_filesystem(static_cast<long>(status.f_type));
  if (into_image && !kind.empty()) {
    throw std::runtime_error("no image can lie beside " + pool.string() + ", which is on " + kind);
  }
  enter_own_namespace(pool.parent_path());
  Workplace place(pool);
  image::ImageSettings settings{config.image_size, config.image_reserve};
  image::MountedImage image = image::mount_image(pool, settings, place.image());
  give_up_privileges();
  bool empty_image = image.is_new;
  try {
    check_backend(place.image(), image.file.string());
    image::Space space(image.file, place.image(), image.reserved);
    wait_for_some_room(space, place.image());
    take_identity(into_image ? place.image() : pool, into_image ? pool : place.image());
    std::optional<Moving> moving(std::in_place, pool, place, image, space, into_image);
    try {
      moving->run();
    } catch (...) {
      empty_image = image.is_new && !moving->has_begun();
      moving.reset();
      throw;
    }
  } catch (...) {
    leave_pools();
    empty_image = empty_image && !pool::holds_trees(place.image());
    if (empty_image) image::remove_image(pool, place.image(), settings);
    throw;
  }
  leave_pools();
  if (into_image) {
    auto format = pool::read_format(pool);
    pool::write_format(
        pool, {.identity = format->identity, .backend = format->backend, .in_image = true});
    image::detach_image(pool, place.image(), settings);
  } else {
    image::remove_image(pool, place.image(), settings);
  }
  sys::log_info("done: the volumes lie in " + std::string(into_image
                                                              ? "the image " + image.file.string()
                                                              : "the directory " + pool.string()));
}

}  // namespace snapclone
