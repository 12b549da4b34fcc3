// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"

#include <sys/mount.h>

// What a crash, `plugin disable -f` and a boot leave.
namespace snapclone::test {
namespace {

// A mount that outlives ours, as in the mount namespace of a container that runs on.
class Survivor {
 public:
  Survivor(fs::path const& mounted, fs::path const& where) : path(where) {
    fs::create_directory(path);
    sys::bind(mounted, path);
  }
  ~Survivor() {
    if (!path.empty()) end();
  }
  Survivor(Survivor const&) = delete;
  Survivor& operator=(Survivor const&) = delete;
  void end() {
    sys::unmount(path);
    fs::remove(path);
    path.clear();
  }
  fs::path path;
};

// It has the clone "id" of the snapshot seed, and has written there.
Survivor container_on_a_clone(Conforming& world) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  fs::path clone = world.mount("seed", "id");
  World::write(clone / "own", "live");
  return {clone, world.disk.path / "container"};
}

void check_unharmed(Survivor const& container) {
  BOOST_TEST(World::read(container.path / "own") == "live");
  BOOST_TEST(World::read(container.path / "file") == "sealed");
}

// The volume db, which a container has that the plugin does not know of.
void check_not_taken_for_idle(Conforming& world) {
  if (world.atomic()) return;  // then it need not be idle
  BOOST_TEST(contains(refusal([&] { world.snapshot("db", "seed"); }),
                      "in use by a container that the plugin knows nothing of"));
}

}  // namespace

PROMISE(after_a_crash_clones_and_volumes_go_on) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  fs::path clone = world.mount("seed", "id");
  fs::path volume = world.mount("db", "writer");
  World::write(clone / "own", "live");
  world.restart();
  BOOST_TEST(world.mount("seed", "id") == clone);
  BOOST_TEST(World::read(clone / "own") == "live");
  BOOST_TEST(world.mount("db", "writer") == volume);
  for (int i = 0; i < 2; ++i) world.unmount("seed", "id");
  for (int i = 0; i < 2; ++i) world.unmount("db", "writer");
  BOOST_TEST(!fs::exists(clone));
  BOOST_TEST(!fs::exists(volume));
  world.check_all_is_gone();
}

PROMISE(a_clone_that_may_have_outlived_the_plugin_is_not_deleted) {
  Survivor container = container_on_a_clone(world);
  world.restart_without_mounts();
  BOOST_TEST(world.live_clones("seed") == 0U);
  BOOST_TEST(world.trash() == 1U);
  world.remove("seed");
  world.remove("db");
  world.restart_without_mounts();
  check_unharmed(container);
  container.end();
  // Overlays are asked, and answer when nobody is left; for others a boot is the proof.
  if (world.process->backend.can_probe()) {
    world.restart_without_mounts();
  } else {
    BOOST_TEST(world.trash() == 1U);
    world.boot();
  }
  world.check_all_is_gone();
}

PROMISE(a_volume_that_may_have_outlived_the_plugin_is_neither_sealed_nor_deleted) {
  world.create("db");
  fs::path volume = world.mount("db", "old");
  World::write(volume / "file", "live");
  Survivor container(volume, world.disk.path / "container");
  world.restart_without_mounts();
  check_not_taken_for_idle(world);
  if (world.process->backend.can_probe()) {
    BOOST_TEST(contains(refusal([&] { world.mount("db", "new"); }), "is still in use"));
    BOOST_TEST(contains(refusal([&] { world.remove("db"); }), "is still in use"));
  } else {
    BOOST_TEST(world.content("db", "file") == "live");
    BOOST_CHECK_NO_THROW(world.remove("db"));
    BOOST_TEST(world.trash() == 1U);
  }
  BOOST_TEST(World::read(container.path / "file") == "live");
  container.end();
  world.boot();
  world.check_all_is_gone();
}

// Engine 20.10 sends an Unmount for a Mount that was lost with the process, here of `docker cp`.
PROMISE(an_unmount_for_a_mount_that_was_lost_takes_nothing_from_a_container) {
  Survivor container = container_on_a_clone(world);
  world.restart();
  world.process->store.doubt_adopted();
  world.unmount("seed", "id");
  world.mount("seed", "later");
  world.unmount("seed", "later");
  BOOST_TEST(world.trash() == 1U);
  world.remove("seed");
  world.remove("db");
  world.trash();
  check_unharmed(container);
  container.end();
  world.boot();
  world.check_all_is_gone();
}

PROMISE(after_an_unmount_for_a_lost_mount_a_volume_is_not_taken_for_idle) {
  world.create("db");
  fs::path volume = world.mount("db", "id");
  World::write(volume / "file", "live");
  Survivor container(volume, world.disk.path / "container");
  world.restart();
  world.process->store.doubt_adopted();
  world.unmount("db", "id");
  check_not_taken_for_idle(world);
  if (!world.process->backend.can_probe()) {
    BOOST_CHECK_NO_THROW(world.remove("db"));
    BOOST_TEST(world.trash() == 1U);
  }
  BOOST_TEST(World::read(container.path / "file") == "live");
  container.end();
  world.boot();
  world.check_all_is_gone();
}

PROMISE(after_a_boot_everything_that_was_acknowledged_is_there_and_nothing_else) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  world.create("dev", {{"clone-of", "seed"}});
  World::write(world.mount("seed", "id") / "own", "gone");
  World::write(world.mount("dev", "id") / "own", "kept");
  world.boot();
  BOOST_TEST(world.live_clones("seed") == 0U);
  BOOST_TEST(world.trash() == 0U);
  BOOST_TEST(World::entries(world.mount("seed", "id")) == 1U);
  world.unmount("seed", "id");
  BOOST_TEST(world.content("dev", "own") == "kept");
  world.check_all_is_gone();
}

PROMISE(what_was_being_made_is_gone_after_a_crash) {
  world.create("db");
  world.process.reset();
  for (auto const* path : {"staging/layer-x", "layers/orphan22"}) {
    fs::create_directories(world.pool() / path / "fs" / "inner");
  }
  world.restart();
  BOOST_TEST(world.layers() == 1U);
  BOOST_TEST(World::entries(world.pool() / "staging") == 0U);
  world.check_all_is_gone();
}

PROMISE(a_pool_stays_with_the_backend_that_made_what_is_in_it) {
  world.create("db");
  world.process.reset();
  std::string other = world.ground.backend == "copy" ? "overlay" : "copy";
  pool::Pool pool(world.pool());
  volume::MountPoints points(world.disk.path / "mnt");
  BOOST_CHECK_EXCEPTION(backend::select_backend(pool, points.probes(), points.trial(), other),
                        std::runtime_error, [&](auto const& error) {
                          return contains(error.what(),
                                          "was made by the backend " + world.ground.backend);
                        });
  auto choice = backend::select_backend(pool, points.probes(), points.trial(), "");
  BOOST_TEST(choice.backend->name() == world.ground.backend);
}

}  // namespace snapclone::test
