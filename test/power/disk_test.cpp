// SPDX-License-Identifier: Apache-2.0
#include "power/machine.hpp"
#include "power/requirements.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

#include <fcntl.h>
#include <unistd.h>

// That a record is what a disk was told, no more and no less, in that order.
namespace snapclone::test {
namespace {

using What = Change::What;

struct alignas(4096) Block {
  explicit Block(char byte) { std::fill(std::begin(bytes), std::end(bytes), byte); }
  char bytes[4096];
};

std::vector<Change> since(Disk const& disk, Moment moment) {
  auto changes = disk.changes();
  return {changes.begin() + static_cast<std::ptrdiff_t>(moment), changes.end()};
}

std::string shown(std::vector<Change> const& changes) {
  std::string text;
  for (auto const& change : changes) {
    if (change.what == What::flush) text += "flush ";
    if (change.what == What::zero) text += "zero@" + std::to_string(change.at / 4096) + " ";
    if (change.what == What::write) {
      text += change.bytes.substr(0, 1) + "@" + std::to_string(change.at / 4096) + " ";
    }
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(disk)

BOOST_AUTO_TEST_CASE(what_the_device_has_completed_is_in_the_record_in_that_order,
                     *boost::unit_test::precondition(can_record("ext4"))) {
  Disk disk(Image(64U << 20U));
  sys::Fd fd(open(disk.device().c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  BOOST_REQUIRE(fd.get() >= 0);
  Moment start = disk.now();
  std::string wanted;
  for (int i = 0; i < 200; ++i) {
    Block block(static_cast<char>('a' + i % 26));
    off_t at = (i * 37) % 1000;
    BOOST_REQUIRE(pwrite(fd.get(), block.bytes, sizeof block.bytes, at * 4096) == 4096);
    wanted += std::string(1, block.bytes[0]) + "@" + std::to_string(at) + " ";
    BOOST_REQUIRE(shown(since(disk, start)) == wanted);  // completed: it is there
    if (i % 3 != 0) continue;
    BOOST_REQUIRE(fdatasync(fd.get()) == 0);
    wanted += "flush ";
    BOOST_REQUIRE(shown(since(disk, start)) == wanted);
  }
  BOOST_REQUIRE(fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 40960, 4096) == 0);
  BOOST_TEST(shown(since(disk, start)) == wanted + "zero@10 ");
  Block read('-');
  BOOST_REQUIRE(pread(fd.get(), read.bytes, sizeof read.bytes, 37 * 4096) == 4096);
  BOOST_TEST(std::string(read.bytes, 3) == "bbb");
}

BOOST_AUTO_TEST_CASE(what_a_file_system_syncs_is_in_the_record_and_then_a_flush,
                     *boost::unit_test::precondition(can_record("ext4")) *
                         boost::unit_test::precondition(can_record("xfs")) *
                         boost::unit_test::precondition(can_record("btrfs"))) {
  for (auto const* type : {"ext4", "xfs", "btrfs"}) {
    BOOST_TEST_CONTEXT(type) {
      Scratch scratch;
      Disk disk(formatted({type, type, ""}));
      FileSystem file_system(type, disk.device(), scratch.path / "disk");
      sys::Fd fd(open((file_system.path / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
      std::string text(100'000, 'T');
      BOOST_REQUIRE(write(fd.get(), text.data(), text.size()) == 100'000);
      Moment before = disk.now();
      BOOST_REQUIRE(fsync(fd.get()) == 0);
      auto changes = since(disk, before);
      auto written = std::find_if(changes.begin(), changes.end(), [](Change const& change) {
        return change.bytes.find(std::string(4096, 'T')) != std::string::npos;
      });
      BOOST_TEST((written != changes.end()));
      auto flushed = std::find_if(written, changes.end(),
                                  [](Change const& change) { return change.what == What::flush; });
      BOOST_TEST((flushed != changes.end()));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
