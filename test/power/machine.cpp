// SPDX-License-Identifier: Apache-2.0
#include "power/machine.hpp"

#include "power/isolation.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <cstdlib>
#include <stdexcept>

#include <sys/mount.h>

namespace snapclone::test {
namespace {

constexpr std::uint64_t kDiskSize = 320U << 20U;  // xfs takes no less than 300 MiB

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

Machine::Machine(Ground const& where, Image const& image)
    : ground(where),
      disk(image),
      file_system(ground.filesystem, disk.device(), scratch.path / "disk"),
      program({.pool = file_system.path / "pool",
               .mounts = scratch.path / "mnt",
               .socket = scratch.path / "socket",
               .backend = ground.backend,
               .log_level = "debug",
               .more_arguments = {"--prune-pause", "0"}}) {
  begin_a_boot();
  program.start();
  program.connect().must("List", {});
}

Image formatted(std::string const& filesystem) {
  Disk disk(Image{kDiskSize});
  std::string settings = filesystem == "ext4" ? " -b 4096 -E lazy_itable_init=0" : "";
  std::string command = "PATH=$PATH:/usr/sbin:/sbin mkfs." + filesystem + " -q" + settings + " " +
                        disk.device() + " >/dev/null 2>&1";
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command + " failed");
  Image image(kDiskSize);
  for (auto const& change : disk.changes()) change.apply_to(image);
  return image;
}

}  // namespace snapclone::test
