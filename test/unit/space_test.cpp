// SPDX-License-Identifier: Apache-2.0
#include "image/space.hpp"

#include "image/xfs.hpp"
#include "kit/eventually.hpp"
#include "kit/failing_calls.hpp"
#include "kit/media.hpp"
#include "kit/privileges.hpp"
#include "kit/requirements.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"
#include "sys/text.hpp"

#include <boost/filesystem/operations.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

// An xfs of 4 GiB in a sparse image on a host's disk that has much less.
namespace snapclone::test {
namespace {

using image::Space;

constexpr std::uint64_t kMega = std::uint64_t{1} << 20U;
constexpr std::uint64_t kHostSize = 1024;  // MiB
constexpr std::uint64_t kXfsSize = 4096 * kMega;

void run(std::string const& command) {
  if (std::system(("PATH=$PATH:/usr/sbin:/sbin; " + command).c_str()) != 0) {
    throw std::runtime_error(command + " failed");
  }
}

std::uint64_t free_on(fs::path const& path) {
  struct statvfs now {};
  if (statvfs(path.c_str(), &now) != 0) sys::fail("look at", path.string());
  return std::uint64_t{now.f_bavail} * now.f_frsize;
}

sys::Fd open_file(fs::path const& path, int flags = O_CREAT | O_RDWR) {
  sys::Fd file(open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (file.get() < 0) sys::fail("open", path.string());
  return file;
}

// What a block of 1 MiB at a position of a file holds.
std::vector<char> block_at(std::uint64_t position) {
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
Accepted fill(fs::path const& path, bool sync, std::uint64_t most = ~std::uint64_t{0}) {
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
std::uint64_t kept(fs::path const& path, std::uint64_t accepted) {
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

void forget_cached() { std::ofstream("/proc/sys/vm/drop_caches") << "3" << std::flush; }

struct Host {
  explicit Host(std::uint64_t megabytes = kHostSize, std::uint64_t xfs_size = kXfsSize)
      : disk("ext4", "", megabytes) {
    {
      sys::Fd file = open_file(image, O_CREAT | O_EXCL | O_RDWR);
      image::make_xfs(file.get(), xfs_size, {1, 2, 3, 4, static_cast<std::uint8_t>(++made)});
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

  static inline int made = 0;
  Media disk;
  fs::path const image = disk.path / "pool.img";
  fs::path const pool = disk.path / "pool";
};

struct Mounted : Host {
  Mounted() { mount(true); }
};

// Other programs of the machine may have much to write out, which counts.
void wait_for_room(Space& space, std::uint64_t bytes) {
  BOOST_REQUIRE(eventually([&] {
    sync();
    space.round();
    return space.report().offered >= bytes;
  }));
}

struct Filling {
  bool direct;
  bool sync;
  std::size_t writers;
};
constexpr Filling kFillings[] = {
    {true, false, 1}, {true, false, 4}, {true, true, 2}, {false, false, 4}};
std::ostream& operator<<(std::ostream& out, Filling const& how) {
  return out << (how.direct ? "direct" : "buffered") << (how.sync ? ", with fsync, " : ", ")
             << sys::counted(how.writers, "writer");
}

void fill_from_both_sides(Filling const& how) {
  Host host;
  host.mount(how.direct);
  Space space(host.image, host.pool, false);
  wait_for_room(space, 500 * kMega);
  host.leave(400 * kMega);
  std::vector<Accepted> accepted(how.writers);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < how.writers; ++i) {
    threads.emplace_back([&, i] { accepted[i] = fill(host.pool / std::to_string(i), how.sync); });
  }
  threads.emplace_back([&] { fill(host.disk.path / "filler", false); });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(host.sync_pool() == 0);
  forget_cached();
  for (std::size_t i = 0; i < how.writers; ++i) {
    BOOST_TEST(accepted[i].error == ENOSPC);
    BOOST_TEST(kept(host.pool / std::to_string(i), accepted[i].bytes) == accepted[i].bytes);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(space, *boost::unit_test::precondition(can_make("xfs")))

BOOST_FIXTURE_TEST_CASE(the_pool_offers_no_more_than_the_host_has_above_its_margin, Mounted) {
  BOOST_TEST(free_on(pool) > free_on(disk.path));
  std::uint64_t before = free_on(disk.path);
  Space space(image, pool, false, Space::Looks::by_hand);
  std::uint64_t most = before - image::margin(kHostSize * kMega * 9 / 10);
  BOOST_TEST(free_on(pool) <= most);
  wait_for_room(space, most - 64 * kMega);
  auto report = space.report();
  BOOST_TEST(report.offered == free_on(pool));
  BOOST_TEST(report.size == kXfsSize);
  BOOST_TEST(report.on_host == image_takes());
  BOOST_TEST(report.last_trim == "");
  BOOST_TEST(space.no_room() == "");
}

BOOST_FIXTURE_TEST_CASE(it_follows_the_host_in_both_directions, Mounted) {
  Space space(image, pool, false);
  wait_for_room(space, 500 * kMega);
  leave(300 * kMega);
  BOOST_TEST(eventually([&] { return free_on(pool) < 250 * kMega; }));
  fs::remove(disk.path / "taken");
  BOOST_TEST(eventually([&] { return free_on(pool) > 500 * kMega; }));
}

BOOST_FIXTURE_TEST_CASE(an_xfs_that_was_bounded_by_an_earlier_process_is_bounded_anew, Mounted) {
  leave(200 * kMega);
  { Space earlier(image, pool, false, Space::Looks::by_hand); }
  fs::remove(disk.path / "taken");
  Space space(image, pool, false, Space::Looks::by_hand);
  wait_for_room(space, 500 * kMega);
}

BOOST_FIXTURE_TEST_CASE(where_nothing_is_offered_a_sentence_names_the_ways_out, Mounted) {
  Space space(image, pool, false, Space::Looks::by_hand);
  leave(10 * kMega);
  space.round();
  BOOST_TEST(space.report().offered == 0U);
  std::string sentence = space.no_room();
  BOOST_TEST(sentence.find(image.string()) != std::string::npos, sentence);
  BOOST_TEST(
      sentence.find("The file system of " + disk.path.string() + " has ") != std::string::npos,
      sentence);
  BOOST_TEST(sentence.find("remove volumes or snapshots") != std::string::npos, sentence);
  fs::remove(disk.path / "taken");
  wait_for_room(space, 100 * kMega);
  BOOST_TEST(space.no_room() == "");
}

BOOST_DATA_TEST_CASE(nothing_that_a_write_accepted_is_lost_while_others_fill_the_host, kFillings,
                     how) {
  fill_from_both_sides(how);
}

BOOST_FIXTURE_TEST_CASE(what_is_dirty_gets_its_place_when_somebody_takes_all_space_at_once,
                        Mounted) {
  Space space(image, pool, false, Space::Looks::by_hand);
  wait_for_room(space, 500 * kMega);
  Accepted accepted = fill(pool / "file", false, 200 * kMega);
  space.round();
  take_all();
  space.round();
  BOOST_TEST(sync_pool() == 0);
  forget_cached();
  BOOST_TEST(accepted.bytes == 200 * kMega);
  BOOST_TEST(kept(pool / "file", accepted.bytes) == accepted.bytes);
}

BOOST_FIXTURE_TEST_CASE(space_that_was_allocated_in_advance_is_there_when_it_is_written, Mounted) {
  Space space(image, pool, false);
  wait_for_room(space, 500 * kMega);
  leave(500 * kMega);
  {
    sys::Fd file = open_file(pool / "file");
    BOOST_REQUIRE(eventually([&] { return free_on(pool) > 150 * kMega; }));
    BOOST_REQUIRE(posix_fallocate(file.get(), 0, 150 * kMega) == 0);
  }
  space.round();
  Accepted others = fill(pool / "others", false);
  BOOST_TEST(others.error == ENOSPC);
  Accepted accepted = fill(pool / "file", true, 150 * kMega);
  BOOST_TEST(accepted.error == 0);
  BOOST_TEST(sync_pool() == 0);
  forget_cached();
  BOOST_TEST(kept(pool / "file", 150 * kMega) == 150 * kMega);
  BOOST_TEST(kept(pool / "others", others.bytes) == others.bytes);
}

BOOST_FIXTURE_TEST_CASE(deleted_space_comes_back_on_the_host_without_anyone_asking, Mounted) {
  Space space(image, pool, false);
  wait_for_room(space, 500 * kMega);
  std::uint64_t before = image_takes();
  fill(pool / "file", true, 200 * kMega);
  BOOST_TEST(image_takes() > before + 190 * kMega);
  fs::remove(pool / "file");
  BOOST_TEST(eventually([&] { return image_takes() < before + 10 * kMega; }));
  BOOST_TEST(eventually([&] { return space.report().last_trim != ""; }));
}

BOOST_FIXTURE_TEST_CASE(deletions_in_a_full_pool_make_room_again, Mounted) {
  Space space(image, pool, false);
  leave(300 * kMega);
  BOOST_TEST(fill(pool / "file", false).error == ENOSPC);
  fs::remove(pool / "file");
  BOOST_TEST(eventually([&] { return free_on(pool) > 100 * kMega; }));
}

BOOST_FIXTURE_TEST_CASE(a_stop_ends_a_trim_soon_and_it_does_not_count, Mounted) {
  Space space(image, pool, false, Space::Looks::by_hand);
  std::stop_source source;
  source.request_stop();
  space.trim(source.get_token());
  BOOST_TEST(space.report().last_trim == "");
  space.trim();
  BOOST_TEST(space.report().last_trim != "");
}

BOOST_AUTO_TEST_CASE(a_reserved_image_is_neither_bounded_nor_trimmed) {
  Host host(1536, 1024 * kMega);
  {
    sys::Fd file = open_file(host.image, O_RDWR);
    BOOST_REQUIRE(fallocate(file.get(), 0, 0, 1024 * kMega) == 0);
  }
  host.mount(true);
  host.leave(0);
  { Space earlier(host.image, host.pool, false, Space::Looks::by_hand); }
  BOOST_TEST(free_on(host.pool) == 0U);
  Space space(host.image, host.pool, true, Space::Looks::by_hand);
  BOOST_TEST(free_on(host.pool) > 800 * kMega);
  BOOST_TEST(space.no_room() == "");
  fill(host.pool / "file", true, 200 * kMega);
  fs::remove(host.pool / "file");
  space.trim();
  space.round();
  BOOST_TEST(space.report().last_trim == "");
  BOOST_TEST(host.image_takes() >= 1024 * kMega);
  BOOST_TEST(fill(host.pool / "file", false).error == ENOSPC);
  space.round();
  BOOST_TEST(space.no_room().find("set IMAGE to a larger size") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_look_that_fails_offers_nothing_until_one_works, Mounted,
                        *boost::unit_test::precondition(kernel_takes_filters)) {
  Space space(image, pool, false, Space::Looks::by_hand);
  wait_for_room(space, 500 * kMega);
  in_a_thread([&] {
    fail_calls({{"openat", EACCES}});
    space.round();
  });
  BOOST_TEST(free_on(pool) == 0U);
  BOOST_TEST(space.report().offered == 0U);
  BOOST_TEST(space.no_room().find("/proc/meminfo: Permission denied") != std::string::npos);
  wait_for_room(space, 500 * kMega);
  BOOST_TEST(space.no_room() == "");
}

BOOST_FIXTURE_TEST_CASE(a_bound_that_cannot_be_changed_stays, Mounted,
                        *boost::unit_test::precondition(kernel_takes_filters)) {
  Space space(image, pool, false, Space::Looks::by_hand);
  leave(300 * kMega);
  space.round();
  std::uint64_t offered = free_on(pool);
  BOOST_TEST(offered < 300 * kMega);
  fs::remove(disk.path / "taken");
  in_a_thread([&] {
    fail_calls({{"ioctl", EPERM}});
    space.round();
  });
  BOOST_TEST(free_on(pool) == offered);
  BOOST_TEST(space.no_room().find("Operation not permitted") != std::string::npos);
  wait_for_room(space, 500 * kMega);
  BOOST_TEST(space.no_room() == "");
}

BOOST_FIXTURE_TEST_CASE(where_the_xfs_cannot_be_bounded_there_is_no_space, Mounted,
                        *boost::unit_test::precondition(kernel_takes_filters)) {
  std::string sentence;
  in_a_thread([&] {
    fail_calls({{"ioctl", EPERM}});
    try {
      Space space(image, pool, false);
    } catch (sys::Error const& error) {
      sentence = error.what();
    }
  });
  BOOST_TEST(sentence.find("Operation not permitted") != std::string::npos, sentence);
}

BOOST_FIXTURE_TEST_CASE(it_needs_no_more_than_the_plugin_may_do, Mounted,
                        *boost::unit_test::precondition(kernel_takes_filters)) {
  std::string trimmed;
  std::string problem = "none";
  as_the_plugin({}, [&] {
    Space space(image, pool, false, Space::Looks::by_hand);
    space.trim();
    trimmed = space.report().last_trim;
    problem = space.no_room();
  });
  BOOST_TEST(trimmed != "");
  BOOST_TEST(problem.find("cannot") == std::string::npos, problem);
}

// Somebody who looks whether the image is in use asks for its lock.
BOOST_FIXTURE_TEST_CASE(it_holds_no_lock_on_the_image, Mounted) {
  Space space(image, pool, false, Space::Looks::by_hand);
  sys::Fd file = open_file(image, O_RDWR);
  BOOST_TEST(flock(file.get(), LOCK_EX | LOCK_NB) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
