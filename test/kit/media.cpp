// SPDX-License-Identifier: Apache-2.0
#include "kit/media.hpp"

#include "kit/command.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem/operations.hpp>

#include <fstream>
#include <stdexcept>

#include <sys/mount.h>

namespace snapclone::test {
Media::Media(std::string const& type, std::string const& tmpfs_options, std::uint64_t megabytes,
             std::string const& mkfs_options)
    : scratch_(fs::temp_directory_path() / fs::unique_path("snapclone-%%%%%%%%")),
      path(scratch_ / "mounted") {
  bool tmpfs = type == "tmpfs";
  fs::create_directories(tmpfs ? path : scratch_);
  fs::path const& memory = tmpfs ? path : scratch_;
  std::string options =
      tmpfs ? tmpfs_options : "size=" + std::to_string(megabytes + megabytes / 8) + "m";
  if (::mount("tmpfs", memory.c_str(), "tmpfs", MS_NOATIME, options.c_str()) != 0) {
    sys::fail("mount a tmpfs on", memory.string());
  }
  if (tmpfs) return;
  fs::create_directory(path);
  fs::path image = scratch_ / "image";
  std::ofstream(image.string()).close();
  fs::resize_file(image, megabytes << 20U);
  std::string settings = type == "ext4" ? " -I 256" : type == "xfs" ? " -m reflink=1" : "";
  run("mkfs." + type + " -q" + settings + " " + mkfs_options + " " + image.string());
  run("mount -t " + type + " -o loop,noatime " + image.string() + " " + path.string());
}

Media::~Media() {
  sys::unmount(path);  // which frees the loop device
  if (sys::is_mounted(scratch_)) sys::unmount(scratch_);
  fs::remove_all(scratch_);
}

}  // namespace snapclone::test
