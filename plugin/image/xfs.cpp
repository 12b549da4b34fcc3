// SPDX-License-Identifier: Apache-2.0
#include "image/xfs.hpp"

#include "image/xfs_groups.hpp"
#include "sys/error.hpp"
#include "tree/open_beneath.hpp"

#include <boost/filesystem/operations.hpp>

#include <bit>
#include <chrono>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::image {
namespace {

using namespace layout;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

std::string name_of(int file) {
  boost::system::error_code error;
  auto name = boost::filesystem::read_symlink(tree::proc_path(file), error);
  return error ? "the image" : name.string();
}

// Throws for the errno of the call that just failed.
[[noreturn]] void fail(std::string const& step, int file) {
  int const code = errno;
  throw sys::Error(step, name_of(file), code);
}

struct stat status_of(int file) {
  struct stat status {};
  if (fstat(file, &status) != 0) fail("look at", file);
  return status;
}

void write_blocks(int file, std::uint64_t first, std::vector<Block> const& blocks) {
  char const* bytes = blocks.front().data();
  std::size_t left = blocks.size() * kBlock;
  auto at = static_cast<off_t>(first * kBlock);
  while (left > 0) {
    ssize_t written = pwrite(file, bytes, left, at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write an xfs to", file);
    bytes += written;
    at += written;
    left -= static_cast<std::size_t>(written);
  }
}

void take_space(int file, std::uint64_t first, std::uint64_t blocks) {
  while (fallocate(file, 0, static_cast<off_t>(first * kBlock),
                   static_cast<off_t>(blocks * kBlock)) != 0) {
    if (errno != EINTR) fail("take space for the log of the xfs in", file);
  }
}

[[noreturn]] void refuse(std::string const& why) { throw std::runtime_error(why); }

[[noreturn]] void refuse_damaged(std::string const& why) {
  refuse(why + "; xfs_repair restores a damaged superblock from its copies");
}

// Whether the sizes and places that a superblock states agree with each other.
bool fits_together(Superblock const& super) {
  constexpr std::uint64_t most = std::uint64_t{1} << 51U;  // 8 EiB
  std::uint64_t const size = super.dblocks.get();
  std::uint64_t const group = super.agblocks.get();
  std::uint64_t const groups = super.agcount.get();
  return group >= kLeastGroup && group <= kLargestGroup &&
         super.agblklog == std::bit_width(group - 1) && size < most &&
         size > (groups - 1) * group && size <= groups * group;
}

}  // namespace

std::uint64_t group_size(std::uint64_t size) {
  if (size >= 64 * kGiB) return 16 * kGiB;
  return (size / kBlock + 3) / 4 * kBlock;
}

void make_xfs(int file, std::uint64_t size, Uuid const& uuid) {
  if (size < kLeastXfs || size % kBlock != 0) {
    throw std::invalid_argument("an xfs of " + std::to_string(size) + " bytes");
  }
  if (status_of(file).st_size != 0) {
    throw sys::Error("make an xfs in", name_of(file), EEXIST, "the file is not empty");
  }
  Geometry const geometry = geometry_of(size);
  if (ftruncate(file, static_cast<off_t>(geometry.size * kBlock)) != 0) {
    fail("make " + std::to_string(geometry.size * kBlock) + " bytes of", file);
  }
  take_space(file, geometry.log_start(), kLogBlocks);
  write_blocks(file, geometry.log_start(), {log_record(uuid)});
  std::chrono::nanoseconds const now = std::chrono::system_clock::now().time_since_epoch();
  write_blocks(file, kFirstChunk, first_chunk(uuid, static_cast<std::uint64_t>(now.count())));
  for (std::uint32_t group = 0; group < geometry.groups; ++group) {
    write_blocks(file, geometry.start_of(group), fixed_blocks(geometry, uuid, group));
  }
}

Xfs decode_superblock(std::string_view block) {
  if (block.size() < kBlock) refuse("it ends within its superblock");
  Superblock super;
  std::memcpy(&super, block.data(), sizeof super);
  auto refuse_size = [](std::string const& what, std::uint32_t bytes) {
    refuse("its xfs has " + what + " of " + std::to_string(bytes) + " bytes, and not of 4096");
  };
  if (super.magicnum.get() != Superblock::kMagic) refuse_damaged("it does not begin with an xfs");
  if ((super.versionnum.get() & 0xfU) != (Superblock::kVersion & 0xfU)) {
    refuse("its xfs is not of version 5");
  }
  if (super.blocksize.get() != kBlock) refuse_size("blocks", super.blocksize.get());
  if (super.sectsize.get() != kBlock) refuse_size("sectors", super.sectsize.get());
  if (super.crc != checksum_of(block.data(), kBlock, offsetof(Superblock, crc))) {
    refuse_damaged("the checksum of its superblock is wrong");
  }
  if (super.inprogress != 0) refuse_damaged("its xfs was never finished");
  if (!fits_together(super)) refuse_damaged("the sizes in its superblock contradict each other");

  Geometry const geometry{super.dblocks.get(), super.agblocks.get(), super.agcount.get()};
  std::uint64_t const group = super.logstart.get() >> super.agblklog;
  std::uint64_t const in_group = super.logstart.get() - (group << super.agblklog);
  std::uint64_t const log = super.logblocks.get();
  if (in_group == 0 || log == 0) refuse("its xfs has no log of its own");
  if (group >= geometry.groups ||
      in_group + log > geometry.length_of(static_cast<std::uint32_t>(group))) {
    refuse_damaged("the log of its xfs lies outside of it");
  }
  return {super.uuid, geometry.size * kBlock, std::uint64_t{geometry.group_size} * kBlock,
          (geometry.start_of(static_cast<std::uint32_t>(group)) + in_group) * kBlock, log * kBlock};
}

Xfs read_xfs(int file) {
  Block block{};
  std::size_t got = 0;
  while (got < block.size()) {
    ssize_t more = pread(file, block.data() + got, block.size() - got, static_cast<off_t>(got));
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) fail("read the superblock of", file);
    if (more == 0) break;
    got += static_cast<std::size_t>(more);
  }
  try {
    Xfs xfs = decode_superblock({block.data(), got});
    struct stat const status = status_of(file);
    if (S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) < xfs.size) {
      refuse("it has " + std::to_string(status.st_size) + " bytes, and its xfs " +
             std::to_string(xfs.size) + ": restore all of it");
    }
    return xfs;
  } catch (sys::Error const&) {
    throw;
  } catch (std::runtime_error const& error) {
    throw std::runtime_error("cannot use " + name_of(file) + ": " + error.what());
  }
}

}  // namespace snapclone::image
