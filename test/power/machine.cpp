// SPDX-License-Identifier: Apache-2.0
#include "power/machine.hpp"

#include "kit/attached_image.hpp"
#include "power/isolation.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <cstdlib>
#include <stdexcept>

#include <sys/mount.h>

namespace snapclone::test {
namespace {

constexpr std::uint64_t kDiskSize = 320U << 20U;  // xfs takes no less than 300 MiB

// The plugin offers only what the disk has beside everything that all programs have written and the
// kernel has not.
constexpr std::uint64_t kDiskForImage = std::uint64_t{16} << 30U;
constexpr char kForImage[] = " -N 16384 -J size=8";  // what is not used stays small

std::uint64_t disk_size(Ground const& ground) {
  return ground.in_image ? kDiskForImage : kDiskSize;
}

// Of the disk itself.
std::string filesystem_of(Ground const& ground) {
  return ground.in_image ? "ext4" : ground.filesystem;
}

std::vector<std::string> arguments(Ground const& ground) {
  std::vector<std::string> words = {"--prune-pause", "0"};
  if (ground.in_image) words.insert(words.end(), {"--image", "1g"});
  return words;
}

}  // namespace

Scratch::Scratch() : path(fs::temp_directory_path() / fs::unique_path("snapclone-%%%%%%%%")) {
  fs::create_directory(path);
}

Scratch::~Scratch() { fs::remove_all(path); }

FileSystem::FileSystem(std::string const& type, std::string const& device, fs::path const& target)
    : path(target) {
  fs::create_directory(path);
  if (::mount(device.c_str(), path.c_str(), type.c_str(), MS_NOATIME, "") != 0) {
    sys::fail("mount the disk with " + type + " on", path.string());
  }
}

FileSystem::~FileSystem() { sys::unmount(path); }

PoolImage::~PoolImage() { detach_image(pool); }

Machine::Machine(Ground const& where, Image const& image)
    : ground(where),
      disk(image),
      file_system(filesystem_of(ground), disk.device(), scratch.path / "disk"),
      pool_image(file_system.path / "pool"),
      program({.pool = pool_image.pool,
               .mounts = scratch.path / "mnt",
               .socket = scratch.path / "socket",
               .backend = ground.backend,
               .log_level = "debug",
               .more_arguments = arguments(ground)}) {
  begin_a_boot();
  program.start();
  program.connect().must("List", {});
}

Image formatted(Ground const& ground) {
  std::uint64_t const size = disk_size(ground);
  std::string const filesystem = filesystem_of(ground);
  Disk disk(Image{size});
  std::string settings = filesystem == "ext4" ? " -b 4096 -E lazy_itable_init=0" : "";
  if (ground.in_image) settings += kForImage;
  std::string command = "PATH=$PATH:/usr/sbin:/sbin mkfs." + filesystem + " -q" + settings + " " +
                        disk.device() + " >/dev/null 2>&1";
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command + " failed");
  Image image(size);
  for (auto const& change : disk.changes()) change.apply_to(image);
  return image;
}

}  // namespace snapclone::test
