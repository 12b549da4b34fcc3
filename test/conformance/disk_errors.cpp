// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"
#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"

// A file system that reports errors: of others, or of the pool's own files.
namespace snapclone::test {
namespace {

// Every way to freeze, on a world with the volume db, which is mounted, and dev, which is not, the
// snapshot seed and its clone "live".
std::vector<std::pair<std::string, RawOptions>> ways_to_freeze() {
  return {{"sealed", {{"snapshot-of", "dev"}}},
          {"captured", {{"snapshot-of", "db"}, {"live", "true"}}},
          {"kept", {{"snapshot-of", "seed@live"}}},
          {"copied", {{"clone-of", "seed"}}},
          {"again", {{"clone-of", "dev"}}}};
}

void prepare(Conforming& world) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  world.create("dev", {{"clone-of", "seed"}});
  World::write(world.mount("dev", "writer") / "file", "of dev");
  world.unmount("dev", "writer");
  World::write(world.mount("seed", "live") / "file", "live");
  World::write(world.mount("db", "writer") / "file", "later");
}

void finish(Conforming& world) {
  world.unmount("seed", "live");
  world.unmount("db", "writer");
  world.check_all_is_gone();
}

void with_failing(std::map<std::string, int> const& calls, std::function<void()> const& work) {
  in_a_thread([&] {
    fail_calls(calls);
    work();
  });
}

}  // namespace

PROMISE(a_volume_can_be_frozen_after_a_write_of_others_failed) {
  prepare(world);
  for (int code : {EIO, ENOSPC}) {
    with_failing({{"syncfs", code}}, [&] {
      for (auto const& [name, options] : ways_to_freeze()) {
        BOOST_TEST_CONTEXT(name) { BOOST_CHECK_NO_THROW(world.create(name, options)); }
      }
    });
    BOOST_TEST(world.content("sealed", "file") == "of dev");
    BOOST_TEST(world.content("captured", "file") == "later");
    BOOST_TEST(world.content("kept", "file") == "live");
    BOOST_TEST(world.content("copied", "file") == "sealed");
    BOOST_TEST(world.content("again", "file") == "of dev");
    for (auto const& [name, options] : ways_to_freeze()) world.remove(name);
  }
  finish(world);
}

PROMISE(what_the_disk_does_not_keep_is_not_called_frozen) {
  prepare(world);
  with_failing({{"syncfs", EIO}, {"fsync", EIO}}, [&] {
    for (auto const& [name, options] : ways_to_freeze()) {
      BOOST_TEST_CONTEXT(name) {
        BOOST_CHECK_EXCEPTION(world.create(name, options), sys::Error,
                              [](auto const& error) { return error.code() == EIO; });
        BOOST_TEST(!world.find(name));
      }
    }
  });
  BOOST_TEST(world.content("dev", "file") == "of dev");
  finish(world);
}

}  // namespace snapclone::test
