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

tree::DiskUsage tree_usage(fs::path const& tree) {
  sys::sync_filesystem(sys::open_dir(tree).get());
  return tree::disk_usage(tree);
}

std::uint64_t measured(fs::path const& tree) { return tree_usage(tree).own; }

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
  std::uint64_t shared(std::string const& name) const {
    return sampler.of(volume::VolumeName(name)).value().shared;
  }
  std::uint64_t clones(std::string const& name) const {
    return sampler.of(volume::VolumeName(name)).value().clones;
  }
  volume::PoolUse all() const { return sampler.pool_use().value(); }
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

BOOST_AUTO_TEST_CASE(extents_that_are_shared_count_apart) {
  for (auto const* type : {"xfs", "btrfs"}) {
    BOOST_TEST_CONTEXT(type) {
      Media media(type);
      fs::create_directory(media.path / "tree");
      World::write(media.path / "tree/own", megabytes(2));
      World::write(media.path / "outside", megabytes(4));
      reflink(media.path / "outside", media.path / "tree/shared");
      BOOST_TEST(is_about(measured(media.path / "tree"), 2));
      BOOST_TEST(is_about(tree_usage(media.path / "tree").shared, 4));
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
  for (auto const* name : {"db", "seed"}) {
    BOOST_TEST(is_about(own(name), 0));
    BOOST_TEST(is_about(shared(name), 3));
  }
  BOOST_TEST(is_about(all().volumes, 3));
  BOOST_TEST(is_about(all().used, 3));
  remove("db");
  sampler.measure();
  BOOST_TEST(is_about(own("seed"), 3));
  BOOST_TEST(shared("seed") == 0U);
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
  BOOST_TEST(is_about(all().clones, 7));
  BOOST_TEST(is_about(all().used, 1 + 3));  // on disk
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
  BOOST_TEST(is_about(all().volumes, 3));
  sampler.measure();
  BOOST_TEST(is_about(own("db"), 4));
  BOOST_TEST(is_about(all().volumes, 4));
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
  BOOST_TEST(use.at("shared_bytes").as_uint64() == 0U);
  BOOST_TEST(use.at("total_bytes") == use.at("own_bytes"));
  BOOST_TEST(!use.contains("clones_bytes"));  // a volume has none
  BOOST_TEST(contains(std::string(use.at("measured_ago").as_string()), " s"));
}

BOOST_FIXTURE_TEST_CASE(status_says_what_the_pool_takes_and_what_is_free, Sampled) {
  create_with("db", "file", megabytes(2));
  auto status = [&](std::string const& field) {
    auto description = process->store.describe(volume::VolumeName("db")).value();
    description.pool.use = sampler.pool_use();
    return api::status_of(description).at("pool").as_object().at(field);
  };
  BOOST_TEST(status("size_bytes").as_uint64() == 64 * kMega);
  BOOST_TEST(status("free_bytes").as_uint64() <= 62 * kMega);
  BOOST_TEST(status("reflinks").as_bool() == false);
  // As if the deleter had not come to it yet.
  fs::create_directories(pool() / "trash/other-late");
  write(pool() / "trash/other-late/file", megabytes(5));
  sampler.measure();
  BOOST_TEST(is_about(status("waiting_bytes").as_uint64(), 5));
  BOOST_TEST(is_about(status("used_bytes").as_uint64(), 7));
  fs::remove_all(pool() / "trash/other-late");
  sampler.measure();
  BOOST_TEST(status("waiting_bytes").as_uint64() == 0U);
  BOOST_TEST(is_about(status("used_bytes").as_uint64(), 2));
}

BOOST_FIXTURE_TEST_CASE(a_layer_that_changed_is_measured_anew_once_it_is_forgotten, Sampled) {
  create_with("db", "file", megabytes(3));
  snapshot("db", "seed");
  sampler.measure();
  std::string layer = find("seed")->record.stack.front();
  fs::remove(process->pool.tree(layer) / "file");
  sampler.measure();
  BOOST_TEST(is_about(shared("seed"), 3));
  sampler.forget(layer);
  sampler.measure();
  BOOST_TEST(is_about(shared("seed"), 0));
}

BOOST_AUTO_TEST_CASE(blocks_that_several_files_share_count_once) {
  tree::SharedBlocks blocks;
  blocks.add(kMega, 3 * kMega);
  blocks.add(2 * kMega, kMega);  // in another file the extent is split
  blocks.add(3 * kMega + 4096, 2 * kMega);
  BOOST_TEST(blocks.bytes() == 4 * kMega + 4096);
  blocks.add(100, 1);
  BOOST_TEST(blocks.bytes() == 4 * kMega + 2 * 4096);
}

BOOST_AUTO_TEST_CASE(terabytes_of_shared_blocks_are_estimated) {
  constexpr std::uint64_t kExtent = 64 * kMega;
  constexpr std::uint64_t kExtents = 16 * 1024;
  tree::SharedBlocks blocks;
  for (std::uint64_t twice = 0; twice < 2 * kExtents; ++twice) {
    blocks.add((twice % kExtents) * 3 * kExtent, kExtent);
  }
  double found = static_cast<double>(blocks.bytes()) / (kExtent * kExtents);
  BOOST_TEST(found > 0.97);
  BOOST_TEST(found < 1.03);
}

BOOST_AUTO_TEST_CASE(
    the_files_that_cost_most_to_copy_up_are_found_holes_counted_as_overlayfs_does) {
  Media media("ext4");
  fs::path tree = media.path / "tree";
  fs::create_directories(tree / "base/1");
  for (unsigned size : {1U, 3U, 4U, 5U, 6U}) {
    World::write(tree / "base/1" / std::to_string(size), megabytes(size));
  }
  // Two mebibytes of a hole of ten are copied, for the sake of the data in them.
  std::fstream sparse((tree / "sparse").string(), std::ios::out);
  for (std::uint64_t at : {2 * kMega, 6 * kMega + kMega / 2}) sparse.seekp(at) << "data";
  sparse.close();
  fs::resize_file(tree / "sparse", 10 * kMega);
  World::write(tree / "hole", "");
  fs::resize_file(tree / "hole", 100 * kMega);
  std::string found;
  for (auto const& file : tree_usage(tree).largest) {
    found += file.path + " " + std::to_string(file.size / kMega) + " " +
             std::to_string(file.copied / kMega) + "\n";
  }
  BOOST_TEST(found == "base/1/6 6 6\nbase/1/5 5 5\nbase/1/4 4 4\nbase/1/3 3 3\n");
  for (auto const* size : {"4", "5", "6"}) fs::remove(tree / "base/1" / size);
  auto largest = tree_usage(tree).largest;
  auto sparse_file = std::find_if(largest.begin(), largest.end(),
                                  [](auto const& file) { return file.path == "sparse"; });
  BOOST_REQUIRE((sparse_file != largest.end()));
  BOOST_TEST(sparse_file->size == 10 * kMega);
  BOOST_TEST(sparse_file->copied == 2 * kMega);
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
