// SPDX-License-Identifier: Apache-2.0
#include "tree/sealed_layer.hpp"

#include "api/status.hpp"
#include "kit/errors_of.hpp"
#include "kit/media.hpp"
#include "kit/world.hpp"
#include "sys/log.hpp"
#include "volume/disk_use.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

// What Status and the log say about files in sealed layers of overlayfs.
namespace snapclone::test {
namespace {

constexpr std::uint64_t kMega = 1U << 20U;

std::string megabytes(unsigned count) { return std::string(count * kMega, 'x'); }

// A snapshot "seed" of a volume, in whose newest layer there is what `change` made of the oldest.
struct LayersOn {
  explicit LayersOn(std::string const& type) : media(type), world(media.path, "overlay") {}

  void snapshot_after(std::function<void(fs::path const& volume)> const& change) {
    change(world.mount("db", "writer"));
    world.unmount("db", "writer");
    world.snapshot("db", "seed");
    sys::sync_filesystem(sys::open_dir(media.path).get());
    sampler.measure();
  }
  std::string first_write(std::string const& name = "seed") const {
    auto use = sampler.of(volume::VolumeName(name)).value();
    if (!use.first_write) return "";
    return use.first_write->file + " " + std::to_string(use.first_write->copied / kMega);
  }

  Media media;
  World world;
  volume::DiskUseSampler sampler{world.process->pool, world.process->backend,
                                 world.process->catalogue, world.process->points};
};

// What the measuring of layers writes to the log.
std::string log_of(volume::DiskUseSampler& sampler) {
  sys::set_log_level("warning");
  std::string log = errors_of([&] { sampler.measure(); });
  sys::set_log_level("error");
  return log;
}

void set_flag(fs::path const& file, int flag) {
  sys::Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  int flags = 0;
  BOOST_REQUIRE(ioctl(fd.get(), FS_IOC_GETFLAGS, &flags) == 0);
  flags |= flag;
  BOOST_REQUIRE(ioctl(fd.get(), FS_IOC_SETFLAGS, &flags) == 0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sealed_layers)

BOOST_AUTO_TEST_CASE(status_of_a_snapshot_names_its_largest_file_where_a_first_write_copies_it) {
  LayersOn on("ext4");
  on.world.create_with("db", "big", megabytes(3));
  on.snapshot_after([](fs::path const& volume) { World::write(volume / "small", megabytes(1)); });
  BOOST_TEST(on.first_write() == "big 3");
  BOOST_TEST(on.first_write("db") == "");
  auto description = on.world.process->store.describe(volume::VolumeName("seed")).value();
  description.disk_use = on.sampler.of(volume::VolumeName("seed"));
  auto status = api::status_of(description).at("first_write").as_object();
  BOOST_TEST(status.at("largest_file").as_string() == "big");
  BOOST_TEST(status.at("size_bytes").as_uint64() == 3 * kMega);
  BOOST_TEST(status.at("copied_bytes").as_uint64() == 3 * kMega);
}

BOOST_AUTO_TEST_CASE(a_file_that_a_newer_layer_hides_is_not_the_largest_of_a_snapshot) {
  using Change = std::function<void(fs::path const& volume)>;
  std::vector<std::pair<std::string, Change>> const changes = {
      {"kept 1", [](fs::path const& volume) { fs::remove(volume / "base/1/big"); }},
      {"kept 1", [](fs::path const& volume) { fs::remove_all(volume / "base"); }},
      {"kept 1",
       [](fs::path const& volume) {
         fs::remove_all(volume / "base");
         fs::create_directories(volume / "base/1");
       }},
      {"kept 1",
       [](fs::path const& volume) {
         fs::remove_all(volume / "base");
         fs::create_symlink("/", volume / "base");
       }},
      {"base/1/big 2",
       [](fs::path const& volume) { fs::resize_file(volume / "base/1/big", 2 * kMega); }},
      {"base/1/big 3", [](fs::path const& volume) { World::write(volume / "base/1/new", "x"); }},
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    BOOST_TEST_CONTEXT(i) {
      LayersOn on("ext4");
      on.world.create("db");
      fs::path volume = on.world.mount("db", "writer");
      fs::create_directories(volume / "base/1");
      World::write(volume / "base/1/big", megabytes(3));
      World::write(volume / "kept", megabytes(1));
      on.world.unmount("db", "writer");
      on.world.snapshot("db", "first");
      on.snapshot_after(changes[i].second);
      BOOST_TEST(on.first_write() == changes[i].first);
      BOOST_TEST(on.first_write("first") == "base/1/big 3");
    }
  }
}

BOOST_AUTO_TEST_CASE(where_files_share_content_only_clones_in_memory_copy_them) {
  LayersOn on("xfs");
  on.world.create_with("db", "big", megabytes(3));
  on.world.create("ram", {{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "16m"}});
  on.snapshot_after([](fs::path const& /*volume*/) {});
  BOOST_TEST(on.world.process->backend.reflinks().value());
  BOOST_TEST(on.first_write() == "");
  BOOST_TEST(on.first_write("ram") == "big 3");
}

BOOST_AUTO_TEST_CASE(the_log_names_once_the_files_that_lost_their_flags_when_they_were_sealed) {
  LayersOn on("ext4");
  on.world.create("db");
  fs::path volume = on.world.mount("db", "writer");
  for (auto const* name : {"i", "a", "plain"}) World::write(volume / name, name);
  set_flag(volume / "i", FS_IMMUTABLE_FL);
  set_flag(volume / "a", FS_APPEND_FL);
  on.world.unmount("db", "writer");
  BOOST_TEST(log_of(on.sampler) == "");  // they hold in an upper
  on.world.snapshot("db", "seed");
  std::string log = log_of(on.sampler);
  BOOST_TEST(contains(log, "2 files of volume \"db\", and of 1 other with the same layer,"));
  BOOST_TEST(contains(log, "lost the flags immutable or append-only"));
  BOOST_TEST((contains(log, ": a, i. ") || contains(log, ": i, a. ")));
  BOOST_TEST(log_of(on.sampler) == "");
  World::write(on.world.mount("seed", "id") / "i", "changed");
  BOOST_TEST(World::read(on.world.mount("seed", "id") / "i") == "changed");  // so it is
  for (int mounts = 2; mounts > 0; --mounts) on.world.unmount("seed", "id");
}

BOOST_AUTO_TEST_CASE(the_log_names_files_whose_attributes_keep_them_from_being_copied_up) {
  for (auto const* type : {"ext4", "xfs"}) {
    BOOST_TEST_CONTEXT(type) {
      LayersOn on(type);
      on.world.create("db");
      fs::path volume = on.world.mount("db", "writer");
      // On ext4 the first attribute lies in the inode, and the second nearly fills a block.
      for (auto const& [name, size] : {std::pair{"fits", 3970}, {"full", 3990}}) {
        World::write(volume / name, name);
        std::string value(static_cast<std::size_t>(size), 'x');
        BOOST_REQUIRE(setxattr((volume / name).c_str(), "user.a", "12345678901234567890", 20, 0) ==
                      0);
        BOOST_REQUIRE(setxattr((volume / name).c_str(), "user.b", value.data(), value.size(), 0) ==
                      0);
      }
      on.world.unmount("db", "writer");
      on.world.snapshot("db", "seed");
      std::string log = log_of(on.sampler);
      bool full = contains(log, "1 file of volume \"db\"") && contains(log, ": full. ");
      BOOST_TEST(full == (type == std::string("ext4")));
      BOOST_TEST(!contains(log, "fits"));
      volume = on.world.mount("db", "writer");
      BOOST_TEST(std::ofstream((volume / "fits").string(), std::ios::app).is_open());
      BOOST_TEST(std::ofstream((volume / "full").string(), std::ios::app).is_open() != full);
      on.world.unmount("db", "writer");
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
