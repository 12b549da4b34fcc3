// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"

#include <fcntl.h>
#include <sys/stat.h>

// Snapshots, their clones, and volumes.
namespace snapclone::test {

PROMISE(the_backend_is_the_best_that_works_here_or_the_one_that_was_asked_for) {
  BOOST_TEST(world.process->backend.name() == world.ground.backend);
  world.create("db");
  BOOST_TEST(world.process->pool.backend() == world.ground.backend);
}

PROMISE(a_trial_leaves_nothing) {
  world.process->backend.self_test(world.process->points.trial());
  world.check_all_is_gone();
}

PROMISE(a_clone_shows_everything_that_was_in_the_volume) {
  world.create("db");
  fs::path volume = world.mount("db", "writer");
  plant_everything(volume, world.marks());
  Manifest before = manifest(volume);
  world.unmount("db", "writer");
  world.snapshot("db", "seed");
  BOOST_TEST(differences_shown(before, world.shown("seed")) == "");
  BOOST_TEST(differences_shown(before, world.shown("db")) == "");
  world.create("dev", {{"clone-of", "seed"}});
  BOOST_TEST(differences_shown(before, world.shown("dev")) == "");
  world.snapshot("dev", "again");
  BOOST_TEST(differences_shown(before, world.shown("again")) == "");
  world.check_all_is_gone();
}

PROMISE(clones_are_private_and_the_snapshot_stays_as_it_is) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  Manifest before = world.shown("seed");
  fs::path one = world.mount("seed", "one");
  fs::path two = world.mount("seed", "two");
  World::write(one / "file", "changed");
  World::write(one / "own", "one");
  fs::remove(two / "file");
  BOOST_TEST(World::read(one / "file") == "changed");
  BOOST_TEST(!fs::exists(two / "own"));
  fs::path three = world.mount("seed", "three");
  BOOST_TEST(World::read(three / "file") == "sealed");
  BOOST_TEST(World::entries(three) == 1U);
  for (auto const* id : {"one", "two", "three"}) world.unmount("seed", id);
  BOOST_TEST(differences_shown(before, world.shown("seed")) == "");
  world.check_all_is_gone();
}

PROMISE(a_volume_goes_on_and_its_snapshots_keep_their_moments) {
  world.create("db");
  for (int moment = 0; moment < 5; ++moment) {
    fs::path volume = world.mount("db", "writer");
    World::write(volume / "file", std::to_string(moment));
    World::write(volume / std::to_string(moment), "new");
    if (moment > 0) fs::remove(volume / std::to_string(moment - 1));
    world.unmount("db", "writer");
    world.snapshot("db", "seed" + std::to_string(moment));
  }
  for (int moment = 0; moment < 5; ++moment) {
    std::string text = std::to_string(moment);
    fs::path clone = world.mount("seed" + text, "reader");
    BOOST_TEST(World::read(clone / "file") == text);
    BOOST_TEST(World::read(clone / text) == "new");
    BOOST_TEST(World::entries(clone) == 2U);
    world.unmount("seed" + text, "reader");
  }
  world.remove("db");
  BOOST_TEST(world.content("seed0", "file") == "0");
  world.check_all_is_gone();
}

PROMISE(a_named_clone_persists_and_is_independent_of_its_source) {
  world.create_with("db", "file", "source");
  world.create("one", {{"clone-of", "db"}});
  world.snapshot("db", "seed");
  world.create("two", {{"clone-of", "seed"}});
  for (auto const* name : {"one", "two"}) {
    BOOST_TEST(world.content(name, "file") == "source");
    World::write(world.mount(name, "writer") / "file", name);
    world.unmount(name, "writer");
  }
  world.restart();
  BOOST_TEST(world.content("one", "file") == "one");
  BOOST_TEST(world.content("two", "file") == "two");
  BOOST_TEST(world.content("db", "file") == "source");
  BOOST_TEST(world.content("seed", "file") == "source");
  world.remove("db");
  world.remove("seed");
  BOOST_TEST(world.content("two", "file") == "two");
  world.check_all_is_gone();
}

PROMISE(clones_of_a_read_only_snapshot_cannot_be_written) {
  world.create_with("db", "file", "sealed");
  world.create("seed", {{"snapshot-of", "db"}, {"access", "ro"}});
  fs::path clone = world.mount("seed", "id");
  BOOST_TEST(World::read(clone / "file") == "sealed");
  BOOST_TEST(::open((clone / "file").c_str(), O_WRONLY) < 0);
  BOOST_TEST(errno == EROFS);
  BOOST_TEST(mkdir((clone / "new").c_str(), 0700) < 0);
  BOOST_TEST(errno == EROFS);
  world.unmount("seed", "id");
  world.check_all_is_gone();
}

PROMISE(a_mount_id_that_is_mounted_again_is_the_same_clone_until_its_last_unmount) {
  world.create("db");
  world.snapshot("db", "seed");
  fs::path clone = world.mount("seed", "id");
  World::write(clone / "own", "live");
  BOOST_TEST(world.mount("seed", "id") == clone);
  world.unmount("seed", "id");
  BOOST_TEST(World::read(clone / "own") == "live");
  world.unmount("seed", "id");
  BOOST_TEST(!fs::exists(clone));
  BOOST_TEST(World::entries(world.mount("seed", "id")) == 0U);
  world.unmount("seed", "id");
  world.check_all_is_gone();
}

PROMISE(a_snapshot_for_the_containers_root_is_refused_at_mount) {
  world.create_with("db", "file", "sealed");
  world.create("seed", {{"snapshot-of", "db"}, {"target", "/data/.."}});
  BOOST_TEST(contains(refusal([&] { world.mount("seed", "id"); }), "container's root"));
  BOOST_TEST(world.live_clones("seed") == 0U);
  world.check_all_is_gone();
}

PROMISE(a_snapshot_with_live_clones_is_not_removed) {
  world.create("db");
  world.snapshot("db", "seed");
  world.mount("seed", "id");
  BOOST_TEST(contains(refusal([&] { world.remove("seed"); }), "has 1 live clone"));
  world.unmount("seed", "id");
  BOOST_CHECK_NO_THROW(world.remove("seed"));
  world.check_all_is_gone();
}

PROMISE(a_volume_of_several_containers_is_one_tree) {
  world.create("db");
  fs::path one = world.mount("db", "one");
  BOOST_TEST(world.mount("db", "two") == one);
  World::write(one / "file", "shared");
  world.unmount("db", "one");
  BOOST_TEST(World::read(one / "file") == "shared");
  BOOST_TEST(contains(refusal([&] { world.remove("db"); }), "in use by 1 mount"));
  world.unmount("db", "two");
  BOOST_TEST(world.content("db", "file") == "shared");
  world.check_all_is_gone();
}

PROMISE(a_hundred_snapshots_of_one_volume_all_show_their_own_content_and_free_their_layers) {
  constexpr int kSnapshots = 100;
  world.create("db");
  for (int i = 0; i < kSnapshots; ++i) {
    fs::path volume = world.mount("db", "writer");
    World::write(volume / "last", std::to_string(i));
    World::write(volume / std::to_string(i % 7), std::to_string(i));
    world.unmount("db", "writer");
    world.snapshot("db", "seed" + std::to_string(i));
  }
  for (int i = 0; i < kSnapshots; ++i) {
    std::string name = "seed" + std::to_string(i);
    BOOST_TEST(world.content(name, "last") == std::to_string(i));
    BOOST_TEST(world.content(name, std::to_string(i % 7)) == std::to_string(i));
    auto layers = world.find(name)->record.stack.size();
    BOOST_TEST(layers <= (world.layered() ? 50U : 1U));
  }
  for (int i = 0; i < kSnapshots; i += 2) world.remove("seed" + std::to_string(i));
  for (int i = 1; i < kSnapshots; i += 2) {
    BOOST_TEST(world.content("seed" + std::to_string(i), "last") == std::to_string(i));
  }
  // Every layer that is left is named by someone.
  std::size_t layers = world.layers();  // first: it waits for what is being deleted
  BOOST_TEST(layers == world.process->catalogue.needed_layers().size());
  world.check_all_is_gone();
}

}  // namespace snapclone::test
