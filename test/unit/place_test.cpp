// SPDX-License-Identifier: Apache-2.0
#include "place.hpp"

#include "image_fixture.hpp"
#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"
#include "pool/pool.hpp"

namespace snapclone::test {
namespace {

using namespace std::string_literals;

constexpr char kMoving[] = "moving them has not ended";
constexpr char kOff[] = "IMAGE=off, but the volumes lie in an image, and stay there until";
constexpr char kVolumes[] =
    "there are volumes in the pool's directory already, and they stay there";
constexpr char kMounted[] = "a file system of its own is mounted on the pool's directory";
constexpr char kNetwork[] = "the pool's directory is on a network file system";
constexpr char kReflinks[] = "files in the pool's directory can share blocks as it is";

// "image" or "directory", or "refused", and the sentence after a colon, if there is one.
std::string decided(bool wanted, Circumstances const& found) {
  try {
    Decision decision = decide(wanted, found);
    std::string where = decision.image ? "image" : "directory";
    return decision.why.empty() ? where : where + ": " + decision.why;
  } catch (std::runtime_error const& error) {
    return std::string("refused: ") + error.what();
  }
}

// The first rule that holds says where.
std::string expected(bool wanted, Circumstances const& found) {
  if (found.image && found.volumes) return "refused: there are volumes both in the pool's";
  if (found.image) return wanted ? "image" : "image: "s + kOff;
  if (!wanted) return "directory";
  if (found.mounted) return "directory: "s + kMounted;
  if (found.volumes) return "directory: "s + kVolumes;
  if (!found.filesystem.empty()) return "directory: "s + kNetwork;
  if (found.reflinks) return "directory: "s + kReflinks;
  return "image";
}

struct Places : OnExt4 {
  Place take(bool wanted = true) { return take_place(pool, wanted, small); }

  std::string refused(bool wanted) {
    try {
      take(wanted);
    } catch (std::runtime_error const& error) {
      return error.what();
    }
    return "";
  }

  // A pool without volumes, as the plugin leaves it. Returns its identity.
  std::string make_pool() const { return pool::Pool(pool).identity(); }

  void make_volume() const { fs::create_directories(pool / "volumes/db"); }

  void kill_before_the_name() {
    auto killed = in_a_child([&] {
      die_at("renameat2");
      mount();
      return ""s;
    });
    BOOST_REQUIRE(is_mounted());
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(place, Places, *boost::unit_test::precondition(can_make("ext4")))

BOOST_AUTO_TEST_CASE(an_image_is_used_and_volumes_stay_where_they_are_whatever_is_found_besides) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    bool wanted = (bits & 1U) != 0;
    Circumstances found{.image = (bits & 2U) != 0,
                        .volumes = (bits & 4U) != 0,
                        .mounted = (bits & 8U) != 0,
                        .reflinks = (bits & 16U) != 0,
                        .filesystem = (bits & 32U) != 0 ? "a network file system" : ""};
    std::string first = expected(wanted, found);
    bool has_sentence = contains(first, ": ");
    std::string said = decided(wanted, found);
    BOOST_TEST((has_sentence ? said.substr(0, first.size()) : said) == first, "case " << bits);
  }
}

BOOST_AUTO_TEST_CASE(every_refusal_and_every_other_choice_than_the_settings_says_the_way_out) {
  BOOST_TEST(contains(decided(true, {.image = true, .volumes = true}), kMoving));
  for (auto const& said : {decided(true, {.image = true, .volumes = true}),
                           decided(false, {.image = true}), decided(true, {.volumes = true})}) {
    BOOST_TEST(contains(said, "\"snapclone --move-to"));
  }
}

BOOST_AUTO_TEST_CASE(file_systems_on_a_network_or_in_memory_take_no_image) {
  // As statfs(2) has them: nfs, cifs, smb2, ceph, 9p, afs.
  for (long type : {0x6969L, 0xff534d42L, 0xfe534d42L, 0x00c36400L, 0x01021997L, 0x5346414fL}) {
    BOOST_TEST(unfit_filesystem(type) == "a network file system");
  }
  BOOST_TEST(contains(unfit_filesystem(0x65735546L), "FUSE"));
  BOOST_TEST(contains(unfit_filesystem(0xf15fL), "no sparse files"));
  BOOST_TEST(contains(unfit_filesystem(0x858458f6L), "in memory"));
  // ext4, xfs, btrfs, overlay.
  for (long type : {0xef53L, 0x58465342L, 0x9123683eL, 0x794c7630L}) {
    BOOST_TEST(unfit_filesystem(type) == "");
  }
}

BOOST_AUTO_TEST_CASE(a_pool_on_ext4_gets_an_image_if_that_is_wanted) {
  BOOST_TEST(!take(false).image);
  BOOST_TEST(!is_mounted());
  Place taken = take();
  BOOST_TEST(taken.image.has_value());
  BOOST_TEST(taken.why == "");
  BOOST_TEST(is_mounted());
  BOOST_TEST(take().image.has_value());
}

BOOST_AUTO_TEST_CASE(
    a_pool_whose_file_system_shares_blocks_stays_a_directory_and_is_left_as_it_is) {
  Media xfs("xfs");
  pool = xfs.path / "pool";
  std::string said = warnings_of([&] {
    Place taken = take();
    BOOST_TEST(!taken.image.has_value());
    BOOST_TEST(taken.why == kReflinks);
  });
  BOOST_TEST(contains(said, "the pool is a directory and no image: "s + kReflinks));
  BOOST_TEST(sys::list_dir(xfs.path) == std::vector<std::string>{"pool"},
             boost::test_tools::per_element());
  BOOST_TEST(fs::is_empty(pool));
  pool = disk.path / "pool";
}

BOOST_AUTO_TEST_CASE(a_pool_in_memory_stays_a_directory) {
  Media memory("tmpfs");
  pool = memory.path / "pool";
  Place taken = take();
  BOOST_TEST(!taken.image.has_value());
  BOOST_TEST(taken.why == "the pool's directory is on a file system in memory");
  pool = disk.path / "pool";
}

BOOST_AUTO_TEST_CASE(a_directory_with_volumes_stays_one) {
  make_pool();
  make_volume();
  Place taken = take();
  BOOST_TEST(!taken.image.has_value());
  BOOST_TEST(contains(taken.why, kVolumes));
  BOOST_TEST(!fs::exists(files.image));
}

BOOST_AUTO_TEST_CASE(a_file_system_that_is_mounted_on_the_pools_directory_stays_the_pool) {
  fs::create_directory(pool);
  sys::mount_tmpfs(pool, "size=1m");
  Place taken = take();
  BOOST_TEST(!taken.image.has_value());
  BOOST_TEST(taken.why == kMounted);
  BOOST_TEST(!fs::exists(files.image));
}

BOOST_AUTO_TEST_CASE(an_image_is_used_also_if_none_is_wanted) {
  take();
  unmount();
  Place taken = take(false);
  BOOST_TEST(taken.image.has_value());
  BOOST_TEST(contains(taken.why, kOff));
  BOOST_TEST(is_mounted());
}

BOOST_AUTO_TEST_CASE(volumes_in_both_places_are_refused_mounted_or_not) {
  make_volume();
  fs::rename(pool, disk.path / "kept");
  take();
  unmount();
  fs::remove_all(pool);
  fs::rename(disk.path / "kept", pool);
  for (bool wanted : {false, true}) {
    BOOST_TEST(contains(refused(wanted), kMoving));
    BOOST_TEST(!is_mounted());
    mount();
    BOOST_TEST(contains(refused(wanted), kMoving));
    unmount();
  }
}

BOOST_AUTO_TEST_CASE(where_loop_devices_cannot_be_used_the_pool_is_a_directory) {
  Place taken;
  std::string said = warnings_of([&] {
    in_a_thread([&] {
      fail_calls({{"mknodat", EPERM}});
      taken = take();
    });
  });
  BOOST_TEST(!taken.image.has_value());
  BOOST_TEST(contains(taken.why, "install the variant whose tag ends in \"-image\""));
  BOOST_TEST(contains(said, "the pool is a directory and no image: cannot make the device file"));
  BOOST_TEST(!fs::exists(files.made));
}

BOOST_AUTO_TEST_CASE(an_image_that_cannot_be_used_ends_the_start) {
  take();
  unmount();
  for (bool wanted : {false, true}) {
    std::string why;
    in_a_thread([&] {
      fail_calls({{"mknodat", EPERM}});
      why = refused(wanted);
    });
    BOOST_TEST(contains(why, "holds the volumes and cannot be used"));
  }
}

// A process that was killed left it mounted. What is written there must not get lost.
BOOST_AUTO_TEST_CASE(an_image_that_lacks_only_its_name_is_used_also_if_none_is_wanted) {
  for (bool wanted : {false, true}) {
    kill_before_the_name();
    write_text(pool / "file", "kept");
    BOOST_TEST(take(wanted).image.has_value());
    unmount();
    BOOST_TEST(fs::exists(files.image));
    mount();
    BOOST_TEST(read_text(pool / "file") == "kept");
    unmount();
    fs::remove(files.image);
  }
}

BOOST_AUTO_TEST_CASE(a_new_image_goes_on_with_the_identity_of_the_empty_pool) {
  std::string identity = make_pool();
  BOOST_TEST(take().image.has_value());
  BOOST_TEST(make_pool() == identity);
  BOOST_TEST(take().image.has_value());
  BOOST_TEST(make_pool() == identity);
  unmount();
  BOOST_TEST(pool::read_format(pool)->identity == identity);  // of the directory
}

BOOST_AUTO_TEST_CASE(a_start_that_was_killed_before_it_took_over_the_identity_is_made_good) {
  std::string identity = make_pool();
  kill_before_the_name();
  BOOST_TEST(take().image.has_value());
  BOOST_TEST(make_pool() == identity);
  unmount();
  for (auto const& path : {files.image, files.reserve}) fs::remove(path);
  mount();  // killed after the name
  BOOST_TEST(take().image.has_value());
  BOOST_TEST(make_pool() == identity);
}

BOOST_AUTO_TEST_CASE(a_pool_in_an_image_keeps_its_own_identity) {
  take();
  std::string identity = make_pool();
  unmount();
  fs::remove(pool / "format");
  BOOST_TEST(make_pool() != identity);  // somebody used the directory meanwhile
  take();
  BOOST_TEST(make_pool() == identity);
}

BOOST_AUTO_TEST_CASE(an_image_that_was_lost_is_missed_and_no_other_is_made) {
  take();
  fs::remove(files.image);
  for (bool mounted : {true, false}) {
    if (!mounted) unmount();
    for (bool wanted : {false, true}) {
      BOOST_TEST(contains(refused(wanted), "lie in the image " + files.image.string()));
      BOOST_TEST(is_mounted() == mounted);
      BOOST_TEST(!fs::exists(files.image));
    }
  }
}

BOOST_AUTO_TEST_CASE(no_image_is_made_where_the_pool_that_is_remembered_is_not) {
  fs::path const remembered = disk.path / "pool.id";
  pool::remember(remembered, "another", "");
  BOOST_CHECK_EXCEPTION(
      take_place(pool, true, small, remembered), std::runtime_error, [](auto const& error) {
        return contains(error.what(), "is not the pool that this plugin has used so far");
      });
  BOOST_TEST(!fs::exists(files.image));
  BOOST_TEST(!is_mounted());
}

BOOST_AUTO_TEST_CASE(half_a_copy_of_a_move_out_of_the_image_is_not_hidden) {
  take();
  unmount();
  fs::create_directories(pool / "staging" / "layer-abc");
  BOOST_TEST(contains(refused(true), kMoving));
  BOOST_TEST(!is_mounted());
}

BOOST_AUTO_TEST_CASE(an_image_whose_pool_lost_its_format_is_not_given_another) {
  make_pool();
  take();
  make_volume();
  fs::remove(pool / "format");
  take();
  BOOST_TEST(!fs::exists(pool / "format"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
