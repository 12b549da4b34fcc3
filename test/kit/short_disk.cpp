// SPDX-License-Identifier: Apache-2.0
#include "kit/short_disk.hpp"

#include "kit/command.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem/operations.hpp>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

constexpr std::uint64_t kMega = 1U << 20U;
constexpr std::uint64_t kSize = 120 * kMega;
constexpr std::uint64_t kLost = 40 * kMega;   // more than take_room() leaves
constexpr std::uint64_t kSpare = 16 * kMega;  // at the beginning, with all metadata

void write_file(fs::path const& file, std::uint64_t bytes) {
  std::ofstream out(file.string());
  std::string const block(kMega, 'x');
  for (std::uint64_t done = 0; done < bytes; done += kMega) out << block;
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

int synced(fs::path const& file) {
  sys::Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  return fsync(fd.get()) == 0 ? 0 : errno;
}

void limit(fs::path const& memory, std::uint64_t bytes) {
  std::string options = "size=" + std::to_string(bytes);
  if (::mount("tmpfs", memory.c_str(), "tmpfs", MS_REMOUNT, options.c_str()) != 0) {
    sys::fail("limit", memory.string());
  }
}

}  // namespace

ShortDisk::ShortDisk()
    : memory_(fs::temp_directory_path() / fs::unique_path("snapclone-%%%%%%%%")),
      path(memory_ / "mounted") {
  fs::create_directory(memory_);
  sys::mount_tmpfs(memory_, "mode=0755,size=" + std::to_string(2 * kSize));
  fs::create_directory(path);
  fs::path image = memory_ / "image";
  {
    sys::Fd fd(open(image.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    int code = posix_fallocate(fd.get(), 0, kSpare);
    if (code != 0) throw sys::Error("make", image.string(), code);
  }
  fs::resize_file(image, kSize);
  // With blocks of 4 KiB it is all in one group, which is filled from its beginning.
  run("mkfs.ext4 -q -b 4096 -I 256 -O ^has_journal -E nodiscard " + image.string());
  run("mount -t ext4 -o loop,noatime " + image.string() + " " + path.string());
}

ShortDisk::~ShortDisk() {
  sys::unmount(path);  // which frees the loop device
  sys::unmount(memory_);
  fs::remove_all(memory_);
}

void ShortDisk::take_room() {
  struct statvfs now {};
  if (statvfs(memory_.c_str(), &now) != 0) sys::fail("look at", memory_.string());
  limit(memory_, (now.f_blocks - now.f_bfree + 64) * now.f_frsize);
}

void ShortDisk::give_room() { limit(memory_, 2 * kSize); }

void ShortDisk::fill(fs::path const& file) { write_file(file, kLost); }

void ShortDisk::lose_write(fs::path const& file) {
  take_room();
  fill(file);
  int code = synced(file);
  give_room();
  fs::remove(file);
  if (code == 0) throw std::runtime_error("the disk has taken " + file.string());
}

}  // namespace snapclone::test
