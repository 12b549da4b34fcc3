// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/space.hpp"
#include "image/xfs.hpp"
#include "kit/command.hpp"
#include "kit/eventually.hpp"
#include "kit/media.hpp"
#include "kit/requirements.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem/operations.hpp>

#include <cstring>
#include <fstream>
#include <stdexcept>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

// An xfs of 4 GiB in a sparse image on a host's disk that has much less.
namespace snapclone::test {

using image::Space;

inline constexpr std::uint64_t kMega = std::uint64_t{1} << 20U;
inline constexpr std::uint64_t kHostSize = 1024;  // MiB
inline constexpr std::uint64_t kXfsSize = 4096 * kMega;

inline std::uint64_t free_on(fs::path const& path) {
  struct statvfs now {};
  if (statvfs(path.c_str(), &now) != 0) sys::fail("look at", path.string());
  return std::uint64_t{now.f_bavail} * now.f_frsize;
}

inline sys::Fd open_file(fs::path const& path, int flags = O_CREAT | O_RDWR) {
  sys::Fd file(open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (file.get() < 0) sys::fail("open", path.string());
  return file;
}

// What a block of 1 MiB at a position of a file holds.
inline std::vector<char> block_at(std::uint64_t position) {
  std::vector<char> block(kMega);
  for (std::size_t i = 0; i < block.size(); i += sizeof position) {
    std::uint64_t number = (position + i + 1) * 0x9e3779b97f4a7c15U;
    std::memcpy(&block[i], &number, sizeof number);
  }
  return block;
}

struct Accepted {
  std::uint64_t bytes = 0;
  int error = 0;  // of write(2), or of fsync(2)
};

// Writes until that fails, or so much.
inline Accepted fill(fs::path const& path, bool sync, std::uint64_t most = ~std::uint64_t{0}) {
  Accepted accepted;
  sys::Fd file = open_file(path);
  while (accepted.bytes < most) {
    auto block = block_at(accepted.bytes);
    std::size_t done = 0;
    while (done < block.size()) {
      ssize_t written = write(file.get(), &block[done], block.size() - done);
      if (written <= 0) break;
      done += static_cast<std::size_t>(written);
    }
    accepted.bytes += done;
    if (done < block.size() || (sync && fsync(file.get()) != 0)) {
      accepted.error = errno;
      break;
    }
  }
  return accepted;
}

// How much of what was accepted the disk has.
inline std::uint64_t kept(fs::path const& path, std::uint64_t accepted) {
  sys::Fd file = open_file(path, O_RDONLY);
  std::uint64_t good = 0;
  std::vector<char> found(kMega);
  for (std::uint64_t position = 0; position < accepted; position += kMega) {
    auto expected = block_at(position);
    ssize_t got = pread(file.get(), found.data(), found.size(), static_cast<off_t>(position));
    auto size =
        std::min(static_cast<std::uint64_t>(std::max(got, ssize_t{0})), accepted - position);
    if (std::memcmp(found.data(), expected.data(), size) == 0) good += size;
  }
  return good;
}

inline void forget_cached() { std::ofstream("/proc/sys/vm/drop_caches") << "3" << std::flush; }

struct Host {
  explicit Host(std::uint64_t megabytes = kHostSize, std::uint64_t xfs_size = kXfsSize)
      : disk("ext4", "", megabytes) {
    {
      sys::Fd file = open_file(image, O_CREAT | O_EXCL | O_RDWR);
      image::Uuid uuid{};
      if (getentropy(uuid.data(), uuid.size()) != 0) sys::fail("read", "random bytes");
      image::make_xfs(file.get(), xfs_size, uuid);
      if (fsync(file.get()) != 0) sys::fail("write out", image.string());
    }
    fs::create_directory(pool);
  }
  ~Host() {
    if (sys::is_mounted(pool)) sys::unmount(pool);  // which frees the loop device
  }

  void mount(bool direct) const {
    run("d=$(losetup -f --show -b 4096 --direct-io=" + std::string(direct ? "on" : "off") + " " +
        image.string() + ") && mount -t xfs -o noatime $d " + pool.string() + " && losetup -d $d");
  }

  // Takes the host's space but for so much.
  void leave(std::uint64_t bytes) const {
    sys::Fd file = open_file(disk.path / "taken");
    std::uint64_t taken = free_on(disk.path) - bytes;
    int code = posix_fallocate(file.get(), 0, static_cast<off_t>(taken));
    if (code != 0) throw sys::Error("take", "the host's space", code);
  }

  // Takes everything, root's part as well.
  void take_all() const {
    sys::Fd file = open_file(disk.path / "all");
    off_t taken = 0;
    for (off_t step = 64 << 20; step >= 4096; step /= 2) {
      while (fallocate(file.get(), 0, taken, step) == 0) taken += step;
    }
  }

  std::uint64_t image_takes() const {
    struct stat now {};
    if (stat(image.c_str(), &now) != 0) sys::fail("look at", image.string());
    return static_cast<std::uint64_t>(now.st_blocks) * 512;
  }

  int sync_pool() const { return sys::sync_filesystem(sys::open_dir(pool).get()); }

  Media disk;
  fs::path const image = disk.path / "pool.img";
  fs::path const pool = disk.path / "pool";
};

struct Mounted : Host {
  Mounted() { mount(true); }
};

// Other programs of the machine may have much to write out, which counts.
inline void wait_for_room(Space& space, std::uint64_t bytes) {
  BOOST_REQUIRE(eventually([&] {
    sync();
    space.round();
    return space.report().offered >= bytes;
  }));
}

}  // namespace snapclone::test
