// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

// Freezing what runs, keeping what a clone became, and clones in memory.
namespace snapclone::test {
namespace {

constexpr char kFirst[] = "3f2a9c01b2d4aaaaaaaa";
constexpr char kSecond[] = "3f2a9c01c0ffeeeeeeee";

}  // namespace

PROMISE(a_mounted_volume_is_frozen_where_that_is_atomic_and_else_refused_with_the_ways_out) {
  world.create_with("db", "file", "1");
  fs::path volume = world.mount("db", "writer");
  World::write(volume / "file", "2");
  if (world.atomic()) {
    world.snapshot("db", "seed");
    World::write(volume / "file", "3");
    BOOST_TEST(world.content("seed", "file") == "2");
  } else {
    for (auto const* how : {"snapshot-of", "clone-of"}) {
      std::string sentence = refusal([&] { world.create("seed", {{how, "db"}}); });
      for (auto const* way :
           {"is in use by 1 mount", "stop the containers", "pause them", "-o live=true", "btrfs"}) {
        BOOST_TEST_CONTEXT(way) { BOOST_TEST(contains(sentence, way)); }
      }
    }
    BOOST_TEST(!world.find("seed"));
    BOOST_TEST(world.layers() == 1U);
  }
  world.unmount("db", "writer");
  world.check_all_is_gone();
}

PROMISE(with_live_a_mounted_volume_is_frozen_and_shows_all_that_a_pausing_container_wrote) {
  world.create("db");
  fs::path volume = world.mount("db", "writer");
  plant_everything(volume, world.marks());
  world.unmount("db", "writer");
  world.snapshot("db", "base");
  volume = world.mount("db", "writer");
  fs::rename(volume / "names", volume / "renamed");
  fs::remove_all(volume / "special");
  fs::create_directory(volume / "special");
  World::write(volume / "special" / "new", "in a directory that was made again");
  // Not synced, and through a mapping.
  World::write(volume / "mapped", std::string(4096, 'a'));
  {
    sys::Fd fd(open((volume / "mapped").c_str(), O_RDWR | O_CLOEXEC));
    void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    static_cast<char*>(memory)[7] = 'b';
    Manifest before = manifest(volume);
    world.create("seed", {{"snapshot-of", "db"}, {"live", "true"}});
    world.create("dev", {{"clone-of", "db"}, {"live", "true"}});
    World::write(volume / "after", "later");
    BOOST_TEST(differences_shown(before, world.shown("seed")) == "");
    BOOST_TEST(differences_shown(before, world.shown("dev")) == "");
    munmap(memory, 4096);
  }
  BOOST_TEST(World::read(volume / "after") == "later");
  world.unmount("db", "writer");
  world.snapshot("db", "last");
  BOOST_TEST(world.content("last", "after") == "later");
  world.check_all_is_gone();
}

PROMISE(live_of_a_volume_that_is_idle_is_the_same_as_without) {
  world.create_with("db", "file", "1");
  world.create("seed", {{"snapshot-of", "db"}, {"live", "true"}});
  BOOST_TEST(world.content("seed", "file") == "1");
  world.check_all_is_gone();
}

PROMISE(what_a_live_clone_became_can_be_kept_as_a_snapshot_and_as_a_volume) {
  world.create("db");
  plant_everything(world.mount("db", "writer"), world.marks());
  world.unmount("db", "writer");
  world.snapshot("db", "seed");
  Manifest original = world.shown("seed");
  fs::path clone = world.mount("seed", kFirst);
  World::write(clone / "own", "became");
  fs::remove_all(clone / "names");
  fs::rename(clone / "marked", clone / "renamed");
  Manifest became = manifest(clone);
  world.create("kept", {{"snapshot-of", "seed@3f2a9c01b2d4"}});
  world.create("dev", {{"clone-of", "seed@3f2a"}});
  World::write(clone / "own", "later");
  BOOST_TEST(differences_shown(became, world.shown("kept")) == "");
  BOOST_TEST(differences_shown(became, world.shown("dev")) == "");
  BOOST_TEST(World::read(clone / "own") == "later");
  world.unmount("seed", kFirst);
  BOOST_TEST(differences_shown(original, world.shown("seed")) == "");
  world.boot();
  BOOST_TEST(differences_shown(became, world.shown("kept")) == "");
  BOOST_TEST(differences_shown(became, world.shown("dev")) == "");
  world.check_all_is_gone();
}

PROMISE(a_clone_that_is_not_there_or_not_the_only_one_is_refused_with_the_candidates) {
  world.create("db");
  world.snapshot("db", "seed");
  auto kept = [&](std::string const& source) {
    return refusal([&] { world.create("kept", {{"snapshot-of", source}}); });
  };
  BOOST_TEST(contains(kept("seed@3f"), "has no live clones"));
  world.mount("seed", kFirst);
  world.mount("seed", kSecond);
  for (auto const* candidate : {"seed@3f2a9c01b2d4 (since ", "seed@3f2a9c01c0ff (since "}) {
    BOOST_TEST(contains(kept("seed@3f2a9c01"), candidate));
    BOOST_TEST(contains(kept("seed@abc"), candidate));
    BOOST_TEST(contains(kept("seed@"), candidate));
  }
  BOOST_TEST(contains(kept("seed@3f2a9c01"), "more than one live clone"));
  BOOST_TEST(contains(kept("seed@abc"), "no live clone whose mount ID begins with \"abc\""));
  BOOST_TEST(contains(kept("db@3f2a"), "only snapshots have"));
  BOOST_TEST(!world.find("kept"));
  BOOST_TEST(kept("seed@3f2a9c01c") == "");
  world.unmount("seed", kFirst);
  world.unmount("seed", kSecond);
  world.check_all_is_gone();
}

PROMISE(a_clone_in_memory_is_bounded_and_leaves_the_pool_alone) {
  world.create_with("db", "file", "sealed");
  world.create("seed", {{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "4m"}});
  fs::path clone = world.mount("seed", "id");
  fs::path other = world.mount("seed", "other");
  BOOST_TEST(World::read(clone / "file") == "sealed");
  World::write(clone / "file", "changed");
  sys::Fd fd(open((clone / "fill").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  std::string block(1 << 20, 'f');
  ssize_t written = 0;
  int failure = 0;
  for (int i = 0; i < 16 && failure == 0; ++i) {
    ssize_t got = write(fd.get(), block.data(), block.size());
    failure = got < 0 ? errno : 0;
    written += std::max<ssize_t>(got, 0);
  }
  BOOST_TEST(failure == ENOSPC);
  BOOST_TEST(written <= 4 << 20);
  BOOST_TEST(World::read(clone / "file") == "changed");
  World::write(other / "own", "room");
  BOOST_TEST(World::read(other / "own") == "room");
  // In the pool there is nothing of it but its record.
  auto id = clone.filename().string();
  BOOST_TEST(sys::list_dir(world.process->pool.clone(id)) == Lines{"clone.json"});
  fd = sys::Fd();
  world.restart();
  BOOST_TEST(World::read(world.mount("seed", "id") / "file") == "changed");
  for (int i = 0; i < 2; ++i) world.unmount("seed", "id");
  world.unmount("seed", "other");
  BOOST_TEST(world.content("seed", "file") == "sealed");
  world.check_all_is_gone();
}

PROMISE(a_clone_in_memory_shows_the_snapshot_and_can_be_kept) {
  world.create("db");
  // What tmpfs cannot hold of a root directory on older kernels is not the subject here.
  plant_everything(world.mount("db", "writer"), false);
  world.unmount("db", "writer");
  world.create("seed", {{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "64m"}});
  fs::path clone = world.mount("seed", kFirst);
  BOOST_TEST(differences_shown(world.shown("db"), manifest(clone)) == "");
  World::write(clone / "own", "became");
  fs::remove_all(clone / "names");
  Manifest became = manifest(clone);
  world.create("kept", {{"snapshot-of", "seed@3f2a"}});
  world.create("dev", {{"clone-of", "seed@3f2a"}});
  world.unmount("seed", kFirst);
  world.boot();
  BOOST_TEST(differences_shown(became, world.shown("kept")) == "");
  BOOST_TEST(differences_shown(became, world.shown("dev")) == "");
  world.check_all_is_gone();
}

PROMISE(a_clone_in_memory_that_may_have_outlived_the_plugin_keeps_its_layers) {
  world.create_with("db", "file", "sealed");
  world.create("seed", {{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "4m"}});
  fs::path clone = world.mount("seed", "id");
  sys::Fd container = sys::open_dir(clone);
  world.restart_without_mounts();
  world.remove("seed");
  world.remove("db");
  BOOST_TEST(world.trash() == 1U);
  BOOST_TEST(World::read("/proc/self/fd/" + std::to_string(container.get()) + "/file") == "sealed");
  container = sys::Fd();
  world.boot();
  world.check_all_is_gone();
}

}  // namespace snapclone::test
