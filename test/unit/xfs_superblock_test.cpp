// SPDX-License-Identifier: Apache-2.0
// Superblocks that are not sound.
#include "image/xfs_groups.hpp"
#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"
#include "kit/requirements.hpp"
#include "unit/xfs_fixture.hpp"

#include <cerrno>
#include <functional>
#include <map>

#include <unistd.h>

namespace snapclone::test {
namespace {

using namespace image;
using namespace image::layout;

constexpr char kFromCopies[] = "; xfs_repair restores a damaged superblock from its copies";

Superblock sound() { return superblock(geometry_of(100 * kGiB), kUuid, 0); }

Block sealed(Superblock const& super) {
  Block block{};
  seal(block.data(), block.size(), super);
  return block;
}

std::string refusal_of(Block const& block) {
  try {
    decode_superblock({block.data(), block.size()});
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

// Why a superblock with a right checksum is refused, after a change.
std::string refusal_after(std::function<void(Superblock&)> const& change) {
  Superblock super = sound();
  change(super);
  return refusal_of(sealed(super));
}

std::string refusal_of_file(int file) {
  try {
    read_xfs(file);
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(xfs_superblocks, Images)

BOOST_AUTO_TEST_CASE(a_sound_superblock_is_understood) {
  BOOST_TEST(refusal_after([](Superblock&) {}) == "");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_no_xfs_is_refused) {
  BOOST_TEST(refusal_of({}) == std::string("it does not begin with an xfs") + kFromCopies);
  Block text{};
  text.fill('x');
  BOOST_TEST(refusal_of(text) == std::string("it does not begin with an xfs") + kFromCopies);
}

BOOST_AUTO_TEST_CASE(an_xfs_that_others_made_otherwise_is_refused) {
  BOOST_TEST(refusal_after([](auto& super) { super.versionnum = 0xb4a4; }) ==
             "its xfs is not of version 5");
  BOOST_TEST(refusal_after([](auto& super) { super.blocksize = 1024; }) ==
             "its xfs has blocks of 1024 bytes, and not of 4096");
  BOOST_TEST(refusal_after([](auto& super) { super.sectsize = 512; }) ==
             "its xfs has sectors of 512 bytes, and not of 4096");
  for (auto change : {+[](Superblock& super) { super.logstart = 0; },
                      +[](Superblock& super) { super.logblocks = 0; }}) {
    BOOST_TEST(refusal_after(change) == "its xfs has no log of its own");
  }
}

BOOST_AUTO_TEST_CASE(a_single_changed_bit_is_noticed_wherever_it_is) {
  Block const block = sealed(sound());
  for (std::size_t i = 0; i < block.size(); i += i < sizeof(Superblock) ? 1 : 61) {
    for (int bit = 0; bit < 8; ++bit) {
      Block changed = block;
      changed[i] = static_cast<char>(changed[i] ^ 1 << bit);
      BOOST_TEST(refusal_of(changed) != "", "bit " << bit << " of byte " << i);
    }
  }
  Block changed = block;
  changed[kBlock - 1] = 1;
  BOOST_TEST(refusal_of(changed) ==
             std::string("the checksum of its superblock is wrong") + kFromCopies);
}

BOOST_AUTO_TEST_CASE(a_superblock_of_an_unfinished_mkfs_or_a_copy_is_refused) {
  BOOST_TEST(refusal_of(sealed(superblock(geometry_of(100 * kGiB), kUuid, 1))) ==
             std::string("its xfs was never finished") + kFromCopies);
}

BOOST_AUTO_TEST_CASE(sizes_that_contradict_each_other_are_refused) {
  auto with_groups = [](std::uint32_t groups, unsigned shift) {
    return [=](Superblock& super) {
      super.agblocks = 1U << shift;
      super.agblklog = static_cast<Byte>(shift);
      super.agcount = groups;
      super.dblocks = std::uint64_t{groups} << shift;
      super.logstart = kFixedBlocks;
      super.logblocks = 1;
    };
  };
  BOOST_TEST(refusal_after(with_groups(1, 12)) == "");
  BOOST_TEST(refusal_after(with_groups(1, 28)) == "");
  BOOST_TEST(refusal_after(with_groups(1U << 22U, 28)) == "");
  std::function<void(Superblock&)> const changes[] = {
      [](auto& super) { super.dblocks = 0; },
      [](auto& super) { super.dblocks = ~std::uint64_t{0}; },
      [](auto& super) { super.dblocks = std::uint64_t{7} * (16 * kGiB / kBlock) + 1; },
      [](auto& super) { super.dblocks = std::uint64_t{6} * (16 * kGiB / kBlock); },
      [](auto& super) { super.agcount = 0; },
      [](auto& super) { super.agcount = 6; },
      [](auto& super) { super.agcount = 8; },
      [](auto& super) { super.agcount = ~std::uint32_t{0}; },
      [](auto& super) { super.agblocks = 0; },
      [](auto& super) { super.agblocks = 1; },
      [](auto& super) { super.agblocks = ~std::uint32_t{0}; },
      [](auto& super) { super.agblklog = 0; },
      [](auto& super) { super.agblklog = 23; },
      [](auto& super) { super.agblklog = 255; },
      with_groups(1, 11),                // of 8 MiB
      with_groups(1, 29),                // of 2 TiB
      with_groups((1U << 23U) + 1, 28),  // more than 8 EiB in all
  };
  int number = 0;
  for (auto const& change : changes) {
    BOOST_TEST_CONTEXT("change " << number++) {
      BOOST_TEST(refusal_after(change) ==
                 std::string("the sizes in its superblock contradict each other") + kFromCopies);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_log_outside_of_the_file_system_is_refused) {
  auto at = [](std::uint64_t group, std::uint64_t block, std::uint32_t blocks = kLogBlocks) {
    return [=](Superblock& super) {
      super.logstart = group << 22U | block;
      super.logblocks = blocks;
    };
  };
  std::uint32_t const group = 16 * kGiB / kBlock;
  BOOST_TEST(refusal_after(at(3, group - kLogBlocks)) == "");
  BOOST_TEST(refusal_after(at(6, group / 4 - kLogBlocks)) == "");
  for (auto const& change :
       {at(3, group - kLogBlocks + 1), at(6, group / 4 - kLogBlocks + 1), at(7, kFixedBlocks),
        at(std::uint64_t{1} << 32U, kFixedBlocks), at((std::uint64_t{1} << 42U) - 1, kFixedBlocks),
        at(3, kFixedBlocks, ~std::uint32_t{0})}) {
    BOOST_TEST(refusal_after(change) ==
               std::string("the log of its xfs lies outside of it") + kFromCopies);
  }
}

BOOST_AUTO_TEST_CASE(a_file_that_ends_early_is_refused_with_its_name) {
  std::string const begin = "cannot use " + (path / "image").string() + ": ";
  BOOST_TEST(refusal_of_file(open_new("image").get()) == begin + "it ends within its superblock");
  make("image", kGiB);
  fs::resize_file(path / "image", kBlock - 1);
  BOOST_TEST(refusal_of_file(open("image").get()) == begin + "it ends within its superblock");
  make("image", kGiB);
  fs::resize_file(path / "image", kGiB - 1);
  BOOST_TEST(refusal_of_file(open("image").get()) ==
             begin + "it has 1073741823 bytes, and its xfs 1073741824: restore all of it");
}

BOOST_AUTO_TEST_CASE(a_file_that_is_longer_than_its_xfs_can_be_read) {
  make("image", kGiB);
  fs::resize_file(path / "image", 2 * kGiB);
  BOOST_TEST(read_xfs(open("image").get()).size == kGiB);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_named,
                     *boost::unit_test::precondition(kernel_takes_filters)) {
  make("image", kGiB);
  sys::Fd file = open("image");
  auto refusal_with = [&](std::map<std::string, int> const& calls) {
    std::string sentence;
    in_a_thread([&] {
      fail_calls(calls);
      sentence = refusal_of_file(file.get());
    });
    return sentence;
  };
  BOOST_TEST(refusal_with({{"pread64", EIO}}) ==
             "cannot read the superblock of " + (path / "image").string() + ": Input/output error");
  BOOST_TEST(refusal_with({{"fstat", EIO}, {"newfstatat", EIO}}) ==
             "cannot look at " + (path / "image").string() + ": Input/output error");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
