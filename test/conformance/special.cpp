// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"
#include "sys/cancelled.hpp"

#include <thread>

#include <btrfsutil.h>
#include <fcntl.h>
#include <sys/stat.h>

// What only some backends have to promise.
namespace snapclone::test {
namespace {

// The client of the Mount that is in force has gone.
void take_back(World& world, std::string const& name, std::string const& mount_id) {
  auto serial =
      world.process->catalogue.serial(volume::VolumeName(name), volume::MountId(mount_id));
  world.take_back(name, mount_id, serial);
}

}  // namespace

PROMISE(use_of_a_tree_is_proven_or_said_to_be_unknown) {
  world.create_with("db", "file", "x");
  auto& backend = world.process->backend;
  fs::path tree = world.process->pool.layer(world.find("db")->record.upper);
  BOOST_TEST((backend.use_of(tree) == backend::Use::free));
  fs::path mounted = world.mount("db", "id");
  if (backend.can_probe()) {
    BOOST_TEST((backend.use_of(tree) == backend::Use::used));
    // Held by nothing but an open directory, as in a mount namespace we cannot see into.
    sys::Fd container = sys::open_dir(mounted);
    world.unmount("db", "id");
    BOOST_TEST((backend.use_of(tree) == backend::Use::used));
    container = sys::Fd();
    BOOST_TEST((backend.use_of(tree) == backend::Use::free));
  } else {
    backend.hold_until_boot(tree);
    BOOST_TEST((backend.use_of(tree) == backend::Use::unknown));
    world.unmount("db", "id");
    world.boot();
    BOOST_TEST((world.process->backend.use_of(tree) == backend::Use::free));
  }
  world.check_all_is_gone();
}

PROMISE(a_copy_that_nobody_waited_for_is_given_to_the_next_mount) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  fs::path clone = world.mount("seed", "late");
  struct stat before {};
  BOOST_REQUIRE(stat((clone / "file").c_str(), &before) == 0);
  take_back(world, "seed", "late");
  BOOST_TEST(!fs::exists(clone));
  BOOST_TEST(world.live_clones("seed") == 0U);
  bool kept = world.ground.backend == "copy";
  BOOST_TEST(World::entries(world.pool() / "staging") == (kept ? 1U : 0U));
  clone = world.mount("seed", "again");
  struct stat after {};
  BOOST_REQUIRE(stat((clone / "file").c_str(), &after) == 0);
  if (kept) BOOST_TEST(after.st_ino == before.st_ino);
  BOOST_TEST(World::read(clone / "file") == "sealed");
  BOOST_TEST(World::entries(world.pool() / "staging") == 0U);
  world.unmount("seed", "again");
  world.mount("seed", "late");
  take_back(world, "seed", "late");
  world.check_all_is_gone();
}

PROMISE(a_clone_that_was_mounted_again_is_given_to_nobody_else) {
  world.create("db");
  world.snapshot("db", "seed");
  fs::path clone = world.mount("seed", "late");
  BOOST_TEST(world.mount("seed", "late") == clone);
  World::write(clone / "secret", "of the first");
  world.unmount("seed", "late");
  take_back(world, "seed", "late");
  BOOST_TEST(world.live_clones("seed") == 0U);
  clone = world.mount("seed", "another");
  BOOST_TEST(!fs::exists(clone / "secret"));
  world.unmount("seed", "another");
  world.check_all_is_gone();
}

PROMISE(a_mount_that_is_undone_late_leaves_the_next_one_of_its_id_alone) {
  world.create("db");
  world.snapshot("db", "seed");
  auto lost = world.mounted("seed", "id").serial;
  world.unmount("seed", "id");
  fs::path clone = world.mount("seed", "id");
  World::write(clone / "file", "mine");
  world.take_back("seed", "id", lost);
  BOOST_TEST(World::read(clone / "file") == "mine");
  BOOST_TEST(world.live_clones("seed") == 1U);
  world.unmount("seed", "id");
  world.check_all_is_gone();
}

PROMISE(a_volume_mount_that_is_undone_late_leaves_the_next_one_of_its_id_alone) {
  world.create("db");
  auto lost = world.mounted("db", "id").serial;
  world.unmount("db", "id");
  fs::path shown = world.mount("db", "id");
  World::write(shown / "file", "mine");
  world.take_back("db", "id", lost);
  BOOST_TEST(World::read(shown / "file") == "mine");
  BOOST_CHECK_THROW(world.remove("db"), volume::Refusal);
  take_back(world, "db", "id");  // its own undo is done
  BOOST_TEST(!fs::exists(shown));
  world.check_all_is_gone();
}

PROMISE_WHERE(a_copy_can_be_ended_and_leaves_nothing, ground.backend == "copy") {
  world.create("db");
  plant_everything(world.mount("db", "writer"), world.marks());
  world.unmount("db", "writer");
  world.snapshot("db", "seed");
  world.process->backend.cancel_copies();
  BOOST_CHECK_THROW(world.mount("seed", "id"), sys::Cancelled);
  BOOST_CHECK_THROW(world.snapshot("db", "later"), sys::Cancelled);
  BOOST_CHECK_THROW(world.create("dev", {{"clone-of", "seed"}}), sys::Cancelled);
  BOOST_TEST(world.live_clones("seed") == 0U);
  BOOST_TEST(!world.find("later"));
  world.restart();
  world.check_all_is_gone();
}

PROMISE_WHERE(a_subvolume_inside_is_refused_with_its_name_and_deleted_with_its_clone,
              ground.backend == "btrfs") {
  world.create_with("db", "file", "x");
  world.snapshot("db", "seed");
  fs::path clone = world.mount("seed", "id");
  fs::create_directory(clone / "dir");
  for (auto const* inner : {"dir/inner", "dir/inner/deeper"}) {
    BOOST_REQUIRE(btrfs_util_create_subvolume((clone / inner).c_str(), 0, nullptr, nullptr) ==
                  BTRFS_UTIL_OK);
    World::write(clone / inner / "file", "lost in a snapshot");
  }
  std::string sentence = refusal([&] { world.create("kept", {{"snapshot-of", "seed@id"}}); });
  BOOST_TEST(contains(sentence, "\"dir/inner\""));
  BOOST_TEST(contains(sentence, "plain directories"));
  BOOST_TEST(!world.find("kept"));
  BOOST_REQUIRE(btrfs_util_set_subvolume_read_only((clone / "dir/inner").c_str(), true) ==
                BTRFS_UTIL_OK);
  world.unmount("seed", "id");
  world.check_all_is_gone();
}

PROMISE_WHERE(a_sealed_tree_cannot_be_written_even_in_the_pool, ground.backend == "btrfs") {
  world.create_with("db", "file", "x");
  world.snapshot("db", "seed");
  auto layer = world.find("seed")->record.stack.front();
  fs::path sealed = world.process->pool.tree(layer);
  BOOST_TEST(::open((sealed / "file").c_str(), O_WRONLY) < 0);
  BOOST_TEST(errno == EROFS);
  world.check_all_is_gone();
}

PROMISE(a_create_that_fails_late_leaves_no_layer) {
  world.create("db");
  fs::path volume = world.mount("db", "writer");
  World::write(volume / "file", "1");
  std::size_t before = world.layers();
  // Where the volume's record is to appear something else is in the way.
  for (auto const* name : {"seed", "dev"}) {
    fs::create_directories(world.pool() / "volumes" / name / "in the way");
    char const* how = name == std::string("seed") ? "snapshot-of" : "clone-of";
    BOOST_CHECK_THROW(world.create(name, {{how, "db"}, {"live", "true"}}), sys::Error);
    fs::remove_all(world.pool() / "volumes" / name);
  }
  BOOST_TEST(world.layers() == before);
  BOOST_TEST(World::read(volume / "file") == "1");
  world.unmount("db", "writer");
  world.check_all_is_gone();
}

// The other grounds differ from these in nothing that a long chain could show.
PROMISE_WHERE(a_thousand_snapshots_of_one_volume_work_like_the_first,
              ground.filesystem == "ext4" || ground.backend == "btrfs") {
  constexpr int kSnapshots = 1000;
  world.create("db");
  for (int i = 0; i < kSnapshots; ++i) {
    fs::path volume = world.mount("db", "writer");
    World::write(volume / "last", std::to_string(i));
    world.unmount("db", "writer");
    world.snapshot("db", "seed" + std::to_string(i));
  }
  for (int i : {0, 1, 49, 50, 51, 500, 998, 999}) {
    BOOST_TEST(world.content("seed" + std::to_string(i), "last") == std::to_string(i));
  }
  world.check_all_is_gone();
}

}  // namespace snapclone::test
