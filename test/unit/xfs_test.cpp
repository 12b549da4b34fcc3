// SPDX-License-Identifier: Apache-2.0
#include "image/xfs.hpp"

#include "image/xfs_groups.hpp"
#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"
#include "kit/requirements.hpp"
#include "unit/xfs_fixture.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>

#include <cerrno>
#include <map>
#include <stdexcept>

#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

using namespace image;
using namespace image::layout;

constexpr std::uint64_t kSizes[] = {
    kGiB,
    3 * kGiB + 7777 * kBlock,
    50 * kGiB,
    64 * kGiB - kBlock,
    64 * kGiB,
    64 * kGiB + 16 * kMiB - kBlock,  // too little for a fifth group
    64 * kGiB + 16 * kMiB,
    100 * kGiB,
    2 * kTiB,
};

using Blocks = std::map<off_t, Block>;

// Those that are not zero.
Blocks blocks_of(int file) {
  Blocks blocks;
  off_t end = 0;
  for (;;) {
    off_t at = lseek(file, end, SEEK_DATA);
    if (at < 0) return blocks;
    end = lseek(file, at, SEEK_HOLE);
    for (at -= at % kBlock; at < end; at += kBlock) {
      Block block{};
      BOOST_REQUIRE(pread(file, block.data(), kBlock, at) == ssize_t{kBlock});
      if (block != Block{}) blocks[at] = block;
    }
  }
}

// Times become zero, and so do the inodes' generations, which newer versions of mkfs.xfs make at
// random. The root directory becomes root's alone. Everything else stays.
void settle_inodes(Blocks& blocks) {
  for (std::uint32_t i = 0; i < kChunk; ++i) {
    Block& block = blocks.at(off_t{kFirstChunk + i / kInodesPerBlock} * kBlock);
    char* bytes = block.data() + i % kInodesPerBlock * kInode;
    Inode inode;
    std::memcpy(&inode, bytes, sizeof inode);
    bool const used = inode.mtime.get() != 0;
    BOOST_TEST(used == (i < 3));
    if (i == 0) inode.mode = S_IFDIR | 0700;
    inode.atime = inode.mtime = inode.ctime = inode.crtime = 0;
    inode.gen = 0;
    std::memcpy(bytes, &inode, sizeof inode);
    seal(bytes, kInode, inode);
  }
}

// What making one throws while these calls fail.
std::string failure_with(Images const& images, std::map<std::string, int> const& calls) {
  std::string sentence;
  sys::Fd file = images.open_new("image");
  in_a_thread([&] {
    fail_calls(calls);
    try {
      make_xfs(file.get(), kGiB, kUuid);
    } catch (sys::Error const& error) {
      sentence = error.what();
    }
  });
  return sentence;
}

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(xfs, Images, *boost::unit_test::precondition(can_make("xfs")))

BOOST_DATA_TEST_CASE_F(Images, an_xfs_is_byte_for_byte_that_of_mkfs, kSizes, size) {
  sys::Fd theirs = open_new("theirs");
  BOOST_REQUIRE(ftruncate(theirs.get(), static_cast<off_t>(size)) == 0);
  run("mkfs.xfs -q -s size=4096 -m reflink=1,rmapbt=0,uuid=" + std::string(kUuidText) +
      " -i nrext64=0 -l size=64m -d agsize=" + std::to_string(group_size(size)) + " " +
      (path / "theirs").string());
  make("ours", size);
  Blocks expected = blocks_of(theirs.get());
  Blocks found = blocks_of(open("ours").get());
  settle_inodes(expected);
  settle_inodes(found);
  BOOST_TEST(found.size() == expected.size());
  for (auto const& [at, block] : expected) {
    BOOST_TEST((found.count(at) != 0 && found.at(at) == block),
               "block " << at / kBlock << " is another one");
  }
}

BOOST_AUTO_TEST_CASE(xfs_repair_finds_nothing_to_mend) {
  for (std::uint64_t size : {kGiB, 3 * kGiB + 7777 * kBlock, 64 * kGiB + 16 * kMiB, 2 * kTiB}) {
    require_clean(make("image", size));
  }
}

BOOST_DATA_TEST_CASE_F(Images, what_was_made_can_be_read, kSizes, size) {
  make("image", size);
  Xfs xfs = read_xfs(open("image", O_RDONLY).get());
  BOOST_TEST((xfs.uuid == kUuid));
  BOOST_TEST(xfs.group_size == group_size(size));
  BOOST_TEST(xfs.log_size == 64 * kMiB);
  BOOST_TEST(xfs.log_offset / xfs.group_size == (size + xfs.group_size - 1) / xfs.group_size / 2);
  BOOST_TEST(xfs.size == fs::file_size(path / "image"));
  BOOST_TEST(xfs.size <= size);
  BOOST_TEST(size - xfs.size < 16 * kMiB);
}

BOOST_AUTO_TEST_CASE(groups_have_16_GiB_or_a_quarter_of_less_than_64) {
  BOOST_TEST(group_size(kGiB) == 256 * kMiB);
  BOOST_TEST(group_size(kGiB + kBlock) == 256 * kMiB + kBlock);
  BOOST_TEST(group_size(64 * kGiB - kBlock) == 16 * kGiB);
  BOOST_TEST(group_size(64 * kGiB) == 16 * kGiB);
  BOOST_TEST(group_size(900 * kTiB) == 16 * kGiB);
}

BOOST_AUTO_TEST_CASE(inodes_may_take_the_share_that_mkfs_gives_them) {
  auto share = [](std::uint64_t size) {
    return unsigned{superblock(geometry_of(size), kUuid, 0).imax_pct};
  };
  BOOST_TEST(share(kTiB - kBlock) == 25U);
  BOOST_TEST(share(kTiB) == 5U);
  BOOST_TEST(share(50 * kTiB) == 1U);
}

BOOST_AUTO_TEST_CASE(the_log_has_its_space_and_everything_else_that_is_zero_is_a_hole) {
  make("image", 2 * kTiB);
  sys::Fd file = open("image");
  struct stat status {};
  BOOST_REQUIRE(fstat(file.get(), &status) == 0);
  std::uint64_t const in_log = 1;
  std::uint64_t const blocks = blocks_of(file.get()).size() - in_log + kLogBlocks;
  BOOST_TEST(static_cast<std::uint64_t>(status.st_blocks) * 512 == blocks * kBlock);
  Xfs xfs = read_xfs(file.get());
  BOOST_REQUIRE(fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          static_cast<off_t>(xfs.log_offset),
                          static_cast<off_t>(xfs.log_size)) == 0);
  BOOST_REQUIRE(fstat(file.get(), &status) == 0);
  BOOST_TEST(static_cast<std::uint64_t>(status.st_blocks) * 512 == (blocks - kLogBlocks) * kBlock);
}

BOOST_AUTO_TEST_CASE(a_file_with_content_is_left_alone) {
  sys::Fd file = open_new("image");
  BOOST_REQUIRE(write(file.get(), "kept", 4) == 4);
  BOOST_CHECK_EXCEPTION(make_xfs(file.get(), kGiB, kUuid), sys::Error, [&](auto const& error) {
    return error.code() == EEXIST && contains(error.what(), (path / "image").string()) &&
           contains(error.what(), "the file is not empty");
  });
  BOOST_TEST(fs::file_size(path / "image") == 4U);
}

BOOST_AUTO_TEST_CASE(a_size_that_no_image_has_is_refused_before_the_file_changes) {
  sys::Fd file = open_new("image");
  for (std::uint64_t size : {std::uint64_t{0}, kGiB - kBlock, kGiB + 512, ~std::uint64_t{0}}) {
    BOOST_CHECK_THROW(make_xfs(file.get(), size, kUuid), std::invalid_argument);
  }
  BOOST_TEST(fs::file_size(path / "image") == 0U);
}

BOOST_AUTO_TEST_CASE(a_disk_without_room_for_the_log_is_reported_with_the_file) {
  Media small("tmpfs", "size=32m");
  sys::Fd file(::open((small.path / "image").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  BOOST_CHECK_EXCEPTION(make_xfs(file.get(), kGiB, kUuid), sys::Error, [&](auto const& error) {
    return error.code() == ENOSPC && contains(error.what(), (small.path / "image").string());
  });
}

BOOST_AUTO_TEST_CASE(a_call_that_fails_is_named_with_the_file,
                     *boost::unit_test::precondition(kernel_takes_filters)) {
  std::string const file = (path / "image").string();
  BOOST_TEST(failure_with(*this, {{"ftruncate", EFBIG}}) ==
             "cannot make 1073741824 bytes of " + file + ": File too large");
  BOOST_TEST(failure_with(*this, {{"fallocate", EOPNOTSUPP}}) ==
             "cannot take space for the log of the xfs in " + file + ": Operation not supported");
  BOOST_TEST(failure_with(*this, {{"pwrite64", EIO}}) ==
             "cannot write an xfs to " + file + ": Input/output error");
  BOOST_TEST(failure_with(*this, {{"fstat", EIO}, {"newfstatat", EIO}}) ==
             "cannot look at " + file + ": Input/output error");
  BOOST_TEST(
      failure_with(*this, {{"pwrite64", EIO}, {"readlink", ENOENT}, {"readlinkat", ENOENT}}) ==
      "cannot write an xfs to the image: Input/output error");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
