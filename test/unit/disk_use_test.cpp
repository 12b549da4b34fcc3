// SPDX-License-Identifier: Apache-2.0
#include "volume/disk_use.hpp"

#include "api/status.hpp"
#include "backend/select.hpp"
#include "kit/failing_calls.hpp"
#include "kit/media.hpp"
#include "kit/privileges.hpp"
#include "kit/world.hpp"
#include "tree/disk_usage.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

namespace snapclone::test {
namespace {

constexpr std::uint64_t kMega = 1U << 20U;

std::string megabytes(unsigned count) { return std::string(count * kMega, 'x'); }

std::uint64_t measured(fs::path const& tree) {
  sys::sync_filesystem(sys::open_dir(tree).get());
  return tree::disk_usage(tree);
}

// About so many megabytes: names and directories take some as well.
bool is_about(std::uint64_t bytes, std::uint64_t mega) {
  return bytes >= mega * kMega && bytes < mega * kMega + kMega / 2;
}

void reflink(fs::path const& from, fs::path const& to) {
  sys::Fd source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  sys::Fd target(open(to.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  BOOST_REQUIRE(ioctl(target.get(), FICLONE, source.get()) == 0);
}

struct Sampled : World {
  Sampled() { sampler.measure(); }
  volume::DiskUseSampler sampler{process->pool, process->backend, process->catalogue,
                                 process->points};
  std::uint64_t own(std::string const& name) const {
    return sampler.of(volume::VolumeName(name)).value().own;
  }
  std::uint64_t clones(std::string const& name) const {
    return sampler.of(volume::VolumeName(name)).value().clones;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(usage)

BOOST_AUTO_TEST_CASE(a_tree_takes_what_its_files_take_each_counted_once) {
  Media media("ext4");
  fs::create_directories(media.path / "tree/deep/er");
  World::write(media.path / "tree/deep/er/file", megabytes(3));
  fs::create_hard_link(media.path / "tree/deep/er/file", media.path / "tree/other");
  World::write(media.path / "outside", megabytes(5));
  fs::create_symlink(media.path / "outside", media.path / "tree/link");
  World::write(media.path / "tree/sparse", "");
  fs::resize_file(media.path / "tree/sparse", 100 * kMega);
  BOOST_TEST(is_about(measured(media.path / "tree"), 3));
}

BOOST_AUTO_TEST_CASE(extents_that_are_shared_do_not_count) {
  for (auto const* type : {"xfs", "btrfs"}) {
    BOOST_TEST_CONTEXT(type) {
      Media media(type);
      fs::create_directory(media.path / "tree");
      World::write(media.path / "tree/own", megabytes(2));
      World::write(media.path / "outside", megabytes(4));
      reflink(media.path / "outside", media.path / "tree/shared");
      BOOST_TEST(is_about(measured(media.path / "tree"), 2));
      fs::remove(media.path / "outside");
      // xfs gives up a file's extents in the background.
      for (int i = 0; i < 100 && !is_about(measured(media.path / "tree"), 6); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
      BOOST_TEST(is_about(measured(media.path / "tree"), 6));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_mount_inside_and_what_cannot_be_reached_are_left_out) {
  Disk disk;
  fs::create_directories(disk.path / "tree/inner");
  World::write(disk.path / "tree/file", megabytes(1));
  sys::mount_tmpfs(disk.path / "tree/inner", "size=8m");
  World::write(disk.path / "tree/inner/file", megabytes(4));
  BOOST_TEST(is_about(measured(disk.path / "tree"), 1));
  sys::unmount(disk.path / "tree/inner");
}

BOOST_FIXTURE_TEST_CASE(a_volume_is_said_to_take_what_nothing_else_needs, Sampled) {
  create_with("db", "file", megabytes(3));
  sampler.measure();
  BOOST_TEST(is_about(own("db"), 3));
  snapshot("db", "seed");
  sampler.measure();
  // Volume and snapshot share the layer: neither has it alone.
  BOOST_TEST(is_about(own("db"), 0));
  BOOST_TEST(is_about(own("seed"), 0));
  BOOST_TEST(is_about(sampler.total().value().own, 3));
  remove("db");
  sampler.measure();
  BOOST_TEST(is_about(own("seed"), 3));
  BOOST_TEST(!sampler.of(volume::VolumeName("db")).has_value());
}

BOOST_FIXTURE_TEST_CASE(what_live_clones_have_written_is_counted_apart, Sampled) {
  create_with("db", "file", megabytes(1));
  snapshot("db", "seed");
  create("ram", {{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "16m"}});
  World::write(mount("seed", "one") / "a", megabytes(2));
  World::write(mount("seed", "two") / "b", megabytes(1));
  World::write(mount("ram", "one") / "c", megabytes(4));
  sampler.measure();
  BOOST_TEST(is_about(clones("seed"), 3));
  BOOST_TEST(is_about(clones("ram"), 4));
  BOOST_TEST(is_about(sampler.total().value().clones, 7));
  unmount("seed", "one");
  sampler.measure();
  BOOST_TEST(is_about(clones("seed"), 1));
  for (auto const* id : {"one", "two"}) unmount(id == std::string("one") ? "ram" : "seed", id);
}

BOOST_FIXTURE_TEST_CASE(a_volume_that_cannot_be_listed_to_its_end_keeps_its_last_figures, Sampled) {
  create_with("db", "file", megabytes(3));
  sampler.measure();
  World::write(mount("db", "id") / "more", megabytes(1));
  unmount("db", "id");
  in_a_thread([&] {
    fail_calls({{"getdents64", EIO}});
    sampler.measure();
  });
  BOOST_TEST(is_about(own("db"), 3));
  BOOST_TEST(is_about(sampler.total().value().own, 3));
  sampler.measure();
  BOOST_TEST(is_about(own("db"), 4));
  BOOST_TEST(is_about(sampler.total().value().own, 4));
}

BOOST_FIXTURE_TEST_CASE(status_says_how_much_and_since_when, Sampled) {
  create_with("db", "file", megabytes(2));
  auto status = [&] {
    volume::VolumeName db("db");
    volume::Description description = process->store.describe(db).value();
    description.disk_use = sampler.of(db);
    return api::status_of(description);
  };
  BOOST_TEST(!status().contains("disk_use"));
  sampler.measure();
  auto use = status().at("disk_use").as_object();
  BOOST_TEST(is_about(use.at("own_bytes").as_uint64(), 2));
  BOOST_TEST(!use.contains("clones_bytes"));  // a volume has none
  BOOST_TEST(contains(std::string(use.at("measured_ago").as_string()), " s"));
}

BOOST_AUTO_TEST_CASE(ages_are_told_in_the_unit_that_fits) {
  BOOST_TEST(api::age_text(0) == "0 s");
  BOOST_TEST(api::age_text(119) == "119 s");
  BOOST_TEST(api::age_text(120) == "2 min");
  BOOST_TEST(api::age_text(7199) == "119 min");
  BOOST_TEST(api::age_text(7200) == "2 h");
  BOOST_TEST(api::age_text(2 * 86400 - 1) == "47 h");
  BOOST_TEST(api::age_text(2 * 86400) == "2 days");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
