// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"

#include <sys/statvfs.h>

// What Status and metrics say about sizes.
namespace snapclone::test {
namespace {

constexpr std::uint64_t kMega = 1U << 20U;

// One round of what is measured in the background, on synced files.
struct Sizes {
  explicit Sizes(Conforming& where) : world(where) {
    sys::sync_filesystem(sys::open_dir(world.pool()).get());
    sampler.measure();
  }
  volume::DiskUse of(std::string const& name) const {
    return sampler.of(volume::VolumeName(name)).value();
  }
  volume::PoolUse all() const { return sampler.pool_use().value(); }

  Conforming& world;
  volume::DiskUseSampler sampler{world.process->pool, world.process->backend,
                                 world.process->catalogue, world.process->points};
};

std::uint64_t used_on_disk(fs::path const& pool) {
  struct statvfs status {};
  BOOST_REQUIRE(statvfs(pool.c_str(), &status) == 0);
  return (status.f_blocks - status.f_bfree) * status.f_frsize;
}

// Names, directories and the ends of blocks take some as well.
bool is_about(std::uint64_t bytes, std::uint64_t mega) {
  return bytes >= mega * kMega && bytes < (mega + 1) * kMega;
}

}  // namespace

PROMISE(sizes_add_up_to_what_the_pool_takes) {
  world.create_with("db", "file", std::string(6 * kMega, 'x'));
  world.snapshot("db", "seed");
  world.create("dev", {{"clone-of", "seed"}});
  World::write(world.mount("dev", "writer") / "more", std::string(2 * kMega, 'y'));
  world.unmount("dev", "writer");
  World::write(world.mount("seed", "one") / "own", std::string(3 * kMega, 'z'));
  Sizes sizes(world);

  std::uint64_t own = 0;
  for (auto const* name : {"db", "seed", "dev"}) {
    auto use = sizes.of(name);
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(use.total() == use.own + use.shared);
      BOOST_TEST(is_about(use.total(), name == std::string("dev") ? 8 : 6));
    }
    own += use.own;
  }
  auto all = sizes.all();
  BOOST_TEST(own <= all.volumes);
  BOOST_TEST(all.volumes + all.clones <= all.used);
  bool whole_copies = world.ground.backend == "copy" && !*world.process->backend.reflinks();
  BOOST_TEST(is_about(sizes.of("seed").clones, whole_copies ? 9 : 3));
  BOOST_TEST(is_about(all.used, whole_copies ? 6 + 6 + 8 + 9 : 6 + 2 + 3));
  if (world.ground.filesystem != "overlay") {
    BOOST_TEST(all.used <= used_on_disk(world.pool()));
  }
  world.unmount("seed", "one");
  world.check_all_is_gone();
}

}  // namespace snapclone::test
