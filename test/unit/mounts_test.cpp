// SPDX-License-Identifier: Apache-2.0
#include "kit/world.hpp"

#include <thread>

namespace snapclone::test {

BOOST_FIXTURE_TEST_SUITE(mounts, World)

BOOST_AUTO_TEST_CASE(mounting_an_id_again_gives_the_same_clone) {
  create("db");
  snapshot("db", "seed");
  fs::path first = mount("seed", "id");
  write(first / "file", "mine");
  BOOST_TEST(mount("seed", "id") == first);
  unmount("seed", "id");
  BOOST_TEST(read(first / "file") == "mine");
  unmount("seed", "id");
  BOOST_TEST(!fs::exists(first));
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(an_id_that_was_unmounted_gets_a_fresh_clone) {
  create("db");
  snapshot("db", "seed");
  write(mount("seed", "id") / "file", "old");
  unmount("seed", "id");
  BOOST_TEST(fs::is_empty(mount("seed", "id")));
}

BOOST_AUTO_TEST_CASE(unmounting_what_is_not_mounted_is_success) {
  create("db");
  snapshot("db", "seed");
  BOOST_CHECK_NO_THROW(unmount("seed", "nobody"));
  BOOST_CHECK_NO_THROW(unmount("db", "nobody"));
  BOOST_CHECK_NO_THROW(unmount("unknown", "nobody"));
}

BOOST_AUTO_TEST_CASE(a_volume_is_one_tree_for_all_until_its_last_unmount) {
  create("db");
  fs::path path = mount("db", "one");
  BOOST_TEST(mount("db", "two") == path);
  BOOST_TEST(mount("db", "one") == path);
  write(path / "file", "shared");
  unmount("db", "one");
  unmount("db", "two");
  BOOST_TEST(read(path / "file") == "shared");
  unmount("db", "one");
  BOOST_TEST(!fs::exists(path));
  BOOST_TEST(content("db", "file") == "shared");
}

BOOST_AUTO_TEST_CASE(every_refused_target_is_refused_at_mount_before_any_work) {
  create("db");
  int number = 0;
  for (auto const* target : {"/", "//", "/..", "/a/..", "\\", "data", "", "//a", "/../a"}) {
    std::string name = "seed" + std::to_string(number++);
    create(name, {{"snapshot-of", "db"}, {"target", target}});
    BOOST_TEST(contains(refusal([&] { mount(name, "id"); }), "snapshot \"" + name + "\" cannot"));
    BOOST_TEST(live_clones(name) == 0U);
    BOOST_CHECK_NO_THROW(remove(name));
  }
  BOOST_TEST(entries(process->pool.clones()) == 0U);
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(a_writable_volume_with_the_root_as_target_is_refused_as_well) {
  create("db", {{"target", "/"}});
  BOOST_TEST(contains(refusal([&] { mount("db", "id"); }), "at the container's root"));
}

BOOST_AUTO_TEST_CASE(a_mount_of_what_does_not_exist_is_refused) {
  BOOST_TEST(refusal([&] { mount("nope", "id"); }) == "there is no volume \"nope\"");
  BOOST_TEST(contains(refusal([&] { mount("../x", "id"); }), "is not allowed"));
  create("db");
  BOOST_TEST(contains(refusal([&] { mount("db", "../x"); }), "mount ID \"../x\" is not allowed"));
}

BOOST_AUTO_TEST_CASE(a_mount_that_fails_leaves_nothing_behind) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  auto layer = find("seed")->record.stack.front();
  fs::rename(pool() / "layers" / layer, disk.path / "elsewhere");
  BOOST_CHECK_THROW(mount("seed", "id"), sys::Error);
  BOOST_TEST(live_clones("seed") == 0U);
  BOOST_TEST(entries(process->pool.clones()) == 0U);
  BOOST_TEST(entries(process->points.clones()) == 0U);
  BOOST_TEST(trash() == 0U);
  fs::rename(disk.path / "elsewhere", pool() / "layers" / layer);
  BOOST_TEST(content("seed", "file") == "sealed");
}

BOOST_AUTO_TEST_CASE(a_clone_that_someone_unmounted_behind_our_back_is_made_anew) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  fs::path old = mount("seed", "id");
  sys::unmount(old);
  fs::path fresh = mount("seed", "id");
  BOOST_TEST(fresh != old);
  BOOST_TEST(read(fresh / "file") == "sealed");
  BOOST_TEST(live_clones("seed") == 1U);
}

BOOST_AUTO_TEST_CASE(a_volume_that_is_still_mapped_is_not_mounted_a_second_time) {
  create_with("db", "file", "mapped");
  fs::path volume = mount("db", "one");
  sys::Fd held = sys::open_dir(volume);
  unmount("db", "one");
  BOOST_TEST(contains(refusal([&] { mount("db", "two"); }), "is still in use by a container"));
  held = sys::Fd();
  BOOST_TEST(content("db", "file") == "mapped");
}

BOOST_AUTO_TEST_CASE(only_the_first_mount_of_an_id_is_a_new_one) {
  create("db");
  snapshot("db", "seed");
  for (auto const* name : {"db", "seed"}) {
    BOOST_TEST(mounted(name, "one").serial != 0U);
    BOOST_TEST(mounted(name, "one").serial == 0U);
    BOOST_TEST(mounted(name, "two").serial != 0U);
  }
}

BOOST_AUTO_TEST_CASE(a_snapshot_is_not_mounted_with_the_one_id_that_podman_gives_all_its_mounts) {
  std::string podman = "2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2";
  create("db");
  snapshot("db", "seed");
  BOOST_TEST(contains(refusal([&] { mount("seed", podman); }),
                      "snapshot \"seed\" cannot be mounted by podman"));
  BOOST_TEST(live_clones("seed") == 0U);
  BOOST_CHECK_NO_THROW(mount("db", podman));
}

BOOST_AUTO_TEST_CASE(a_clone_never_starts_on_a_snapshot_that_was_replaced_meanwhile) {
  create("db");
  snapshot("db", "seed");
  auto judged = find("seed");
  remove("seed");
  create("seed");
  volume::CloneRecord clone{.id = "cloneid2",
                            .volume = volume::VolumeName("seed"),
                            .mount_id = volume::MountId("id"),
                            .stack = judged->record.stack};
  BOOST_TEST(contains(refusal([&] { process->catalogue.start_clone(clone, judged); }),
                      "has just been removed"));
}

BOOST_AUTO_TEST_CASE(a_clone_that_could_not_be_unmounted_is_cleared_away_later) {
  create("db");
  snapshot("db", "seed");
  fs::path target = mount("seed", "id");
  volume::CloneRecord clone =
      process->catalogue.find_clone(volume::VolumeName("seed"), volume::MountId("id")).value();
  // What an Unmount leaves whose unmounting failed: the clone in trash/, its mount still there.
  fs::path trashed = pool() / "trash" / ("clone-" + clone.id);
  fs::rename(process->pool.clone(clone.id), trashed);
  process->catalogue.end_clone(clone);
  process->trash.queue(trashed);
  BOOST_TEST(trash() == 0U);
  BOOST_TEST(!fs::exists(target));
}

BOOST_AUTO_TEST_CASE(an_unmount_that_cannot_drop_the_clone_is_answered_and_made_good_later) {
  create("db");
  snapshot("db", "seed");
  fs::path target = mount("seed", "id");
  write(target / "old", "x");
  BOOST_TEST(trash() == 0U);
  fs::rename(pool() / "trash", pool() / "hidden");
  BOOST_CHECK_NO_THROW(unmount("seed", "id"));
  BOOST_TEST(!sys::is_mounted(target));
  BOOST_TEST(live_clones("seed") == 0U);
  BOOST_TEST(fs::is_empty(mount("seed", "id")));
  process->trash.wait();
  fs::rename(pool() / "hidden", pool() / "trash");
  unmount("seed", "id");
  remove("seed");
  for (int i = 0; i < 200 && entries(process->pool.clones()) != 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it tries every 5 s
  }
  BOOST_TEST(entries(process->pool.clones()) == 0U);
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(an_unmount_says_that_a_clone_is_gone_before_its_mount_is_taken_down) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  fs::path clone = mount("seed", "id");
  bool ended = false;
  volume::VolumeName seed("seed");
  process->store.unmount(seed, volume::MountId("id"), [&](auto const& result) {
    ended = result.has_value();
    BOOST_TEST(live_clones("seed") == 0U);
    remove("seed");
    remove("db");
    BOOST_TEST(layers() == 1U);  // the mount still needs it
    BOOST_TEST(read(clone / "file") == "sealed");
  });
  BOOST_TEST(ended);
  BOOST_TEST(!fs::exists(clone));
  BOOST_TEST(trash() == 0U);
  BOOST_TEST(layers() == 0U);
}

BOOST_AUTO_TEST_CASE(a_clone_in_use_elsewhere_is_not_deleted_until_it_is_free) {
  create("db");
  snapshot("db", "seed");
  fs::path clone = mount("seed", "id");
  write(clone / "file", "live");
  sys::Fd container = sys::open_dir(clone);  // keeps the mount alive, as a container's own does
  unmount("seed", "id");
  BOOST_TEST(trash() == 1U);
  std::string there = "/proc/self/fd/" + std::to_string(container.get()) + "/file";
  std::ifstream file(there);
  std::string text;
  file >> text;
  BOOST_TEST(text == "live");
}

BOOST_AUTO_TEST_CASE(a_removed_snapshots_layers_stay_as_long_as_a_clone_is_in_use_elsewhere) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  sys::Fd container = sys::open_dir(mount("seed", "id"));
  unmount("seed", "id");
  remove("seed");
  remove("db");
  BOOST_TEST(layers() == 1U);
  std::ifstream file("/proc/self/fd/" + std::to_string(container.get()) + "/file");
  std::string text;
  file >> text;
  BOOST_TEST(text == "sealed");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
