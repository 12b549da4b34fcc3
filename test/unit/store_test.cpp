// SPDX-License-Identifier: Apache-2.0
#include "volume/store.hpp"

#include "kit/world.hpp"
#include "volume/spares.hpp"

namespace snapclone::test {
namespace {

using volume::Lane;
using volume::MountId;
using volume::VolumeName;

// A Store that says on which threads it wants its jobs run.
struct Lanes {
  explicit Lanes(std::string const& backend)
      : store(std::in_place, pool::Pool(disk.path / "pool"),
              volume::StoreSettings{disk.path / "mnt", backend},
              [this](Lane lane, std::function<void()> const& job) {
                last = lane;
                job();
              }) {
    store->open();
    create("db", {});
    create("seed", {{"snapshot-of", "db"}});
  }
  ~Lanes() {
    store.reset();
    unmount_all(disk.path / "mnt");
  }

  void create(std::string const& name, RawOptions const& options) {
    store->create({VolumeName(name), volume::parse_options(options)},
                  [](auto const& result) { result.value(); });
  }
  Lane mount(std::string const& name, std::string const& id) {
    store->mount(VolumeName(name), MountId(id), [](auto const& result) { result.value(); });
    return last;
  }
  Lane unmount(std::string const& name, std::string const& id) {
    store->unmount(VolumeName(name), MountId(id), [](auto const& result) { result.value(); });
    return last;
  }

  Disk disk;
  Lane last = Lane::quick;
  std::optional<volume::Store> store;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(store)

BOOST_AUTO_TEST_CASE(a_mount_that_copies_has_threads_apart_from_those_of_an_unmount) {
  Lanes copying("copy");
  BOOST_TEST((copying.mount("seed", "id") == Lane::slow));
  BOOST_TEST((copying.mount("seed", "id") == Lane::quick));  // counts only
  BOOST_TEST((copying.unmount("seed", "id") == Lane::quick));
  BOOST_TEST((copying.unmount("seed", "id") == Lane::quick));
}

BOOST_AUTO_TEST_CASE(a_mount_that_may_wait_for_a_container_has_them_too) {
  Lanes overlay("overlay");
  BOOST_TEST((overlay.mount("seed", "id") == Lane::quick));
  BOOST_TEST((overlay.mount("db", "id") == Lane::slow));
  BOOST_TEST((overlay.unmount("db", "id") == Lane::quick));
  overlay.unmount("seed", "id");
}

BOOST_FIXTURE_TEST_CASE(a_clone_that_cannot_become_a_spare_keeps_its_record, World) {
  create("db");
  snapshot("db", "seed");
  mount("seed", "id");
  auto clone = process->catalogue.find_clone(VolumeName("seed"), MountId("id")).value();
  fs::create_directory(process->pool.staging() / clone.id);  // in the spare's way
  volume::Spares spares(process->pool, process->trash);
  BOOST_TEST(!spares.keep(clone));
  BOOST_TEST(fs::exists(process->pool.clone_record(clone.id)));
  unmount("seed", "id");
}

BOOST_FIXTURE_TEST_CASE(a_spare_that_cannot_be_used_is_thrown_away, World) {
  create("db");
  snapshot("db", "seed");
  mount("seed", "id");
  auto clone = process->catalogue.find_clone(VolumeName("seed"), MountId("id")).value();
  volume::Spares spares(process->pool, process->trash);
  BOOST_REQUIRE(spares.keep(clone));
  auto next = clone;
  next.id = "taken";
  fs::create_directory(process->pool.clone(next.id));
  BOOST_TEST(!spares.use(next));
  process->trash.wait();
  BOOST_TEST(entries(process->pool.staging()) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
