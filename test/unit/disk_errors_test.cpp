// SPDX-License-Identifier: Apache-2.0
#include "backend/overlay.hpp"
#include "backend/select.hpp"
#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"
#include "kit/requirements.hpp"
#include "kit/short_disk.hpp"
#include "kit/world.hpp"

#include <exception>
#include <string>
#include <vector>

// The pool lies on a disk where a write fails: another program's, or one of a container.
namespace snapclone::test {
namespace {

struct OnShortDisk {
  ShortDisk disk;
  World world{disk.path, "overlay"};
  fs::path const others = disk.path / "others";

  // One write of another program is lost, and the kernel has told nobody else of it.
  void lose_write_of_others() {
    disk.lose_write(others);
    BOOST_REQUIRE(overlays_are_refused());
  }

  // A container writes a file of the volume, which the disk does not keep. Only another program
  // hears of it.
  void lose_write_to(std::string const& volume, std::vector<std::string> const& files = {"lost"}) {
    disk.take_room();
    fs::path path = world.mount(volume, "writer");
    for (auto const& file : files) ShortDisk::fill(path / file);
    world.unmount(volume, "writer");
    BOOST_REQUIRE(sys::sync_filesystem(sys::open_dir(disk.path).get()) != 0);
    disk.give_room();
  }

  bool overlays_are_refused() const {
    fs::path trial = disk.path / "trial";
    for (auto const* name : {"", "lower", "upper", "work", "mounted"})
      fs::create_directory(trial / name);
    sys::Overlay overlay;
    sys::Fd base = sys::open_dir(trial);
    overlay.base = base.get();
    overlay.lower = {"lower"};
    overlay.upper = "upper";
    overlay.work = "work";
    overlay.options = "volatile";
    int code = 0;
    try {
      sys::mount_overlay(overlay, trial / "mounted");
      sys::unmount(trial / "mounted");
    } catch (sys::Error const& error) {
      code = error.code();
    }
    fs::remove_all(trial);
    return code == EIO;
  }

  std::uint64_t errors() const { return world.process->pool.disk_errors().count(); }
};

std::string failure(std::function<void()> const& work) {
  try {
    work();
  } catch (std::exception const& error) {
    return error.what();
  }
  return "";
}

// What `work` throws while these calls fail.
std::string failure_with(std::map<std::string, int> const& calls,
                         std::function<void()> const& work) {
  std::string sentence;
  in_a_thread([&] {
    fail_calls(calls);
    sentence = failure(work);
  });
  return sentence;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(disk_errors, OnShortDisk)

BOOST_AUTO_TEST_CASE(a_snapshot_can_be_mounted_after_a_write_of_others_failed) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  lose_write_of_others();
  BOOST_TEST(world.content("seed", "file") == "sealed");
  BOOST_TEST(errors() == 1U);
  BOOST_TEST(!overlays_are_refused());
  BOOST_TEST(world.content("seed", "file") == "sealed");
  BOOST_TEST(errors() == 1U);
}

BOOST_AUTO_TEST_CASE(the_plugin_starts_after_a_write_of_others_failed) {
  world.create_with("db", "file", "sealed");
  world.process.reset();
  lose_write_of_others();
  world.start();
  BOOST_TEST(errors() == 1U);
  BOOST_TEST(world.content("db", "file") == "sealed");
}

BOOST_AUTO_TEST_CASE(a_new_pool_gets_its_usual_backend_after_a_write_of_others_failed) {
  lose_write_of_others();
  pool::Pool pool(disk.path / "another");
  auto selection = backend::select_backend(pool, world.process->points.probes(),
                                           world.process->points.trial(), "");
  BOOST_TEST(selection.backend->name() == "overlay");
}

BOOST_AUTO_TEST_CASE(a_volume_can_be_frozen_after_a_write_of_others_failed) {
  world.create_with("db", "file", "sealed");
  lose_write_of_others();
  world.snapshot("db", "seed");
  BOOST_TEST(errors() == 1U);

  World::write(world.mount("db", "writer") / "file", "later");
  lose_write_of_others();
  world.create("live", {{"snapshot-of", "db"}, {"live", "true"}});
  BOOST_TEST(errors() == 2U);

  lose_write_of_others();
  World::write(world.mount("seed", "clone") / "file", "of the clone");
  lose_write_of_others();
  world.create("kept", {{"snapshot-of", "seed@clone"}});
  lose_write_of_others();
  world.create("dev", {{"clone-of", "db"}, {"live", "true"}});

  BOOST_TEST(world.content("seed", "file") == "sealed");
  BOOST_TEST(world.content("live", "file") == "later");
  BOOST_TEST(world.content("kept", "file") == "of the clone");
  BOOST_TEST(world.content("dev", "file") == "later");
}

BOOST_AUTO_TEST_CASE(a_copy_can_be_frozen_after_a_write_of_others_failed) {
  fs::create_directory(disk.path / "copies");
  World copies(disk.path / "copies", "copy");
  copies.create_with("db", "file", "sealed");
  disk.lose_write(others);
  copies.snapshot("db", "seed");
  disk.lose_write(others);
  copies.create("dev", {{"clone-of", "seed"}});
  disk.lose_write(others);
  BOOST_TEST(copies.content("seed", "file") == "sealed");
  BOOST_TEST(copies.content("dev", "file") == "sealed");
}

BOOST_AUTO_TEST_CASE(a_volume_whose_own_write_failed_is_not_frozen_before_somebody_was_told) {
  world.create_with("db", "file", "kept");
  lose_write_to("db");
  std::string sentence = failure([&] { world.snapshot("db", "seed"); });
  BOOST_TEST(contains(sentence, "fs/lost"), sentence);
  BOOST_TEST(contains(sentence, "write it again, or repeat this"), sentence);
  BOOST_TEST(!world.find("seed"));
  world.snapshot("db", "seed");
  BOOST_TEST(world.content("seed", "file") == "kept");
}

BOOST_AUTO_TEST_CASE(a_volume_is_not_frozen_before_somebody_was_told_of_each_failed_write) {
  world.create_with("db", "file", "kept");
  lose_write_to("db", {"lost-1", "lost-2"});
  std::string told;
  for (int tries = 0; tries < 5 && !world.find("seed"); ++tries) {
    told += failure([&] { world.snapshot("db", "seed"); });
  }
  BOOST_TEST(contains(told, "fs/lost-1"), told);
  BOOST_TEST(contains(told, "fs/lost-2"), told);
  BOOST_TEST(world.content("seed", "file") == "kept");
}

BOOST_AUTO_TEST_CASE(a_volume_whose_own_write_failed_is_not_frozen_even_if_a_mount_was_told) {
  world.create_with("db", "file", "kept");
  world.snapshot("db", "seed");
  lose_write_to("db");
  lose_write_of_others();
  BOOST_TEST(world.content("seed", "file") == "kept");
  BOOST_TEST(errors() == 1U);
  world.create_with("other", "file", "kept");
  world.snapshot("other", "of-other");
  std::string sentence = failure([&] { world.snapshot("db", "second"); });
  BOOST_TEST(contains(sentence, "fs/lost"), sentence);
  world.snapshot("db", "second");
  BOOST_TEST(world.content("second", "file") == "kept");
}

BOOST_AUTO_TEST_CASE(a_mount_says_that_the_disk_has_an_error_that_lasts) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  std::string sentence = failure_with({{"mount", EIO}}, [&] { world.mount("seed", "id"); });
  BOOST_TEST(contains(sentence, "Input/output error; the disk of the pool reports errors"),
             sentence);
  BOOST_TEST(world.live_clones("seed") == 0U);
  BOOST_TEST(world.content("seed", "file") == "sealed");
}

BOOST_AUTO_TEST_CASE(a_start_says_that_the_disk_has_an_error_that_lasts) {
  world.create("db");
  world.process.reset();
  std::string sentence = failure_with({{"mount", EIO}}, [&] { world.start(); });
  BOOST_TEST(contains(sentence, "cannot be used while its disk reports errors"), sentence);
  BOOST_TEST(contains(sentence, "Input/output error"), sentence);
  BOOST_TEST(!contains(sentence, "does not work here"), sentence);
  world.start();
  BOOST_TEST(world.find("db"));
}

// It would be remembered for good.
BOOST_AUTO_TEST_CASE(a_pool_takes_no_lesser_backend_because_its_disk_has_an_error) {
  pool::Pool pool(disk.path / "another");
  auto select = [&] {
    backend::select_backend(pool, world.process->points.probes(), world.process->points.trial(),
                            "");
  };
  std::string sentence = failure_with({{"mount", EIO}}, select);
  BOOST_TEST(contains(sentence, "cannot be used while its disk reports errors"), sentence);
  BOOST_TEST(pool.backend() == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
