// SPDX-License-Identifier: Apache-2.0
#include "backend/select.hpp"
#include "kit/media.hpp"
#include "kit/requirements.hpp"
#include "kit/world.hpp"

#include <cstdlib>

namespace snapclone::test {

BOOST_AUTO_TEST_SUITE(subvolumes, *boost::unit_test::precondition(can_make("btrfs")))

BOOST_AUTO_TEST_CASE(a_btrfs_on_which_containers_could_delete_subvolumes_is_refused) {
  Media media("btrfs");
  std::string command = "PATH=$PATH:/sbin mount -o remount,user_subvol_rm_allowed ";
  BOOST_REQUIRE(std::system((command + media.path.string()).c_str()) == 0);
  pool::Pool pool(media.path / "pool");
  volume::MountPoints points(media.path / "mnt");
  auto chosen = [&](std::string const& forced) {
    return backend::select_backend(pool, points.probes(), points.trial(), forced);
  };
  backend::Selection choice = chosen("");
  BOOST_TEST(choice.backend->name() == "overlay");
  BOOST_TEST(contains(choice.why, "btrfs: its file system is mounted with user_subvol_rm_allowed"));
  for (auto const* forced : {"btrfs", "copy"}) {
    try {
      chosen(forced);
      BOOST_ERROR(forced << " was not refused");
    } catch (std::runtime_error const& error) {
      BOOST_TEST(contains(error.what(), "mount it without that option"));
    }
  }
  BOOST_TEST(World::entries(media.path / "pool" / "staging") == 0U);
  sys::unmount(media.path / "mnt");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
