// SPDX-License-Identifier: Apache-2.0
#include "daemon.hpp"

#include "kit/caller.hpp"
#include "kit/eventually.hpp"
#include "kit/plant.hpp"
#include "kit/reboot.hpp"
#include "kit/world.hpp"

#include <thread>

namespace snapclone::test {
namespace {

// A daemon in this process, on a pool that copies.
struct Served {
  Served() {
    config.socket = disk.path / "s.sock";
    config.pool = disk.path / "pool";
    config.mounts = disk.path / "mnt";
    config.backend = "copy";
  }
  ~Served() { unmount_all(disk.path / "mnt"); }

  Disk disk;
  Config config;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(daemon, Served)

BOOST_AUTO_TEST_CASE(stopped_it_answers_what_runs_and_ends_with_success) {
  Daemon served(config);
  int code = -1;
  std::thread thread([&] { code = served.run(); });
  Caller caller(config.socket);
  BOOST_REQUIRE(eventually([&] { return caller.connect(); }));
  caller.create("db");
  served.stop();
  thread.join();
  BOOST_TEST(code == 0);
  BOOST_TEST(!fs::exists(config.socket));
}

// A verb uses everything that a daemon has, until its last line of log.
BOOST_AUTO_TEST_CASE(its_end_waits_for_the_verbs_that_run) {
  auto served = std::make_unique<Daemon>(config);
  std::thread thread([&] { served->run(); });
  Caller caller(config.socket);
  BOOST_REQUIRE(eventually([&] { return caller.connect(); }));
  caller.create("db");
  fs::path root = caller.mount("db", "writer");
  for (int i = 0; i < 2000; ++i) plant_file(root / std::to_string(i), "text");
  caller.unmount("db", "writer");
  caller.create("seed", {{"snapshot-of", "db"}});
  for (int i = 0; i < 8; ++i) {
    Caller gone(config.socket);
    gone.send("Mount", {{"Name", "seed"}, {"ID", "id" + std::to_string(i)}});
  }
  served->stop();
  thread.join();
  served.reset();
  BOOST_TEST(!fs::exists(config.socket));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
