// SPDX-License-Identifier: Apache-2.0
#include "kit/world.hpp"
#include "sys/host.hpp"

namespace snapclone::test {

BOOST_FIXTURE_TEST_SUITE(recovery, World)

BOOST_AUTO_TEST_CASE(what_was_acknowledged_is_there_after_a_restart) {
  create_with("db", "file", "1");
  create("seed", {{"snapshot-of", "db"}, {"target", "/data"}, {"access", "ro"}});
  restart_without_mounts();
  BOOST_TEST(content("db", "file") == "1");
  BOOST_TEST(content("seed", "file") == "1");
  auto record = find("seed")->record;
  BOOST_TEST(record.target.value() == "/data");
  BOOST_TEST(record.read_only);
}

BOOST_AUTO_TEST_CASE(after_a_crash_live_clones_and_volumes_go_on_with_their_counts) {
  create("db");
  snapshot("db", "seed");
  fs::path clone = mount("seed", "id");
  mount("seed", "id");
  fs::path volume = mount("db", "v");
  write(clone / "file", "live");
  restart();
  BOOST_TEST(mount("seed", "id") == clone);
  BOOST_TEST(read(clone / "file") == "live");
  for (int i = 0; i < 3; ++i) unmount("seed", "id");
  BOOST_TEST(!fs::exists(clone));
  BOOST_TEST(contains(refusal([&] { snapshot("db", "later"); }), "in use by 1 mount"));
  unmount("db", "v");
  BOOST_TEST(!fs::exists(volume));
}

BOOST_AUTO_TEST_CASE(mounts_of_one_clone_are_counted_on_over_a_crash_however_many_they_are) {
  create("db");
  snapshot("db", "seed");
  for (int mounts : {1, 2, 9, 10, 12}) {
    fs::path clone;
    for (int i = 0; i < mounts; ++i) clone = mount("seed", "id");
    for (int i = 1; i < mounts; ++i) {
      restart();
      unmount("seed", "id");
      BOOST_TEST(sys::is_mounted(clone));
    }
    restart();
    unmount("seed", "id");
    BOOST_TEST(!fs::exists(clone));
  }
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(clones_without_a_mount_here_are_dropped_at_start) {
  create("db");
  snapshot("db", "seed");
  write(mount("seed", "id") / "file", "gone");
  restart_without_mounts();
  BOOST_TEST(live_clones("seed") == 0U);
  BOOST_TEST(trash() == 0U);
  BOOST_TEST(fs::is_empty(mount("seed", "id")));
}

BOOST_AUTO_TEST_CASE(a_clone_held_by_a_container_that_outlived_the_plugin_is_kept) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  fs::path clone = mount("seed", "id");
  write(clone / "own", "live");
  sys::Fd container = sys::open_dir(clone);
  process.reset();
  sys::unmount(clone);
  restart_without_mounts();
  BOOST_TEST(trash() == 1U);
  remove("seed");
  remove("db");
  BOOST_TEST(layers() == 1U);
  auto read_there = [&](char const* name) {
    std::ifstream file("/proc/self/fd/" + std::to_string(container.get()) + "/" + name);
    std::string text;
    file >> text;
    return text;
  };
  BOOST_TEST(read_there("own") == "live");
  BOOST_TEST(read_there("file") == "sealed");
  container = sys::Fd();
  restart_without_mounts();
  BOOST_TEST(trash() == 0U);
  BOOST_TEST(layers() == 0U);
}

BOOST_AUTO_TEST_CASE(of_many_trees_in_use_each_is_asked_about_less_often) {
  using namespace std::chrono_literals;
  BOOST_TEST((volume::retry_pause(1) == 5s));
  BOOST_TEST((volume::retry_pause(250) == 5s));
  BOOST_TEST((volume::retry_pause(10'000) == 200s));
}

BOOST_AUTO_TEST_CASE(a_volume_held_by_a_container_that_outlived_the_plugin_is_not_mounted_twice) {
  create("db");
  fs::path volume = mount("db", "old");
  write(volume / "file", "live");
  sys::Fd container = sys::open_dir(volume);
  process.reset();
  sys::unmount(volume);
  restart_without_mounts();
  for (auto const& sentence :
       {refusal([&] { mount("db", "new"); }), refusal([&] { snapshot("db", "seed"); }),
        refusal([&] { remove("db"); })}) {
    BOOST_TEST(
        contains(sentence, "is still in use by a container that the plugin knows nothing of"));
  }
  container = sys::Fd();
  BOOST_TEST(content("db", "file") == "live");
  BOOST_CHECK_NO_THROW(snapshot("db", "seed"));
}

BOOST_AUTO_TEST_CASE(clones_of_another_boot_are_dead) {
  fs::path other = pool() / "clones" / "00000000-0000-0000-0000-000000000000" / "abcdefgh";
  fs::create_directories(other / "fs");
  write(other / "clone.json", "not even a record");
  restart();
  BOOST_TEST(!fs::exists(other.parent_path()));
  BOOST_TEST(trash() == 0U);
  BOOST_TEST(process->catalogue.may_sweep());
}

BOOST_AUTO_TEST_CASE(so_are_those_in_the_trash_whose_records_a_power_cut_has_emptied) {
  create("db");
  snapshot("db", "seed");
  process.reset();
  fs::create_directories(pool() / "clones" / "00000000-0000-0000-0000-000000000000");
  fs::create_directories(pool() / "trash" / "clone-abcdefgh" / "fs");
  write(pool() / "trash" / "clone-abcdefgh" / "clone.json", "");
  restart();
  BOOST_TEST(trash() == 0U);
  remove("seed");
  remove("db");
  BOOST_TEST(layers() == 0U);
}

BOOST_AUTO_TEST_CASE(what_a_crash_while_a_record_is_replaced_leaves_is_removed) {
  create_with("db", "file", "content");
  process.reset();
  fs::path volume = pool() / "volumes" / "db";
  write(volume / ".volume.json", "half a reco");
  write(pool() / ".format", "");
  restart();
  BOOST_TEST(!fs::exists(volume / ".volume.json"));
  BOOST_TEST(!fs::exists(pool() / ".format"));
  BOOST_TEST(content("db", "file") == "content");
}

BOOST_AUTO_TEST_CASE(what_was_being_made_is_gone_after_a_crash) {
  create("db");
  fs::path clones = process->pool.clones();
  process.reset();
  fs::create_directories(pool() / "staging" / "volume-x" / "a" / "b");
  fs::create_directories(pool() / "layers" / "orphan22" / "fs");
  fs::create_directories(clones / "halfmade" / "fs");
  restart();
  BOOST_TEST(layers() == 1U);
  BOOST_TEST(entries(pool() / "staging") == 0U);
  BOOST_TEST(entries(process->pool.clones()) == 0U);
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(a_clone_that_was_mounted_but_never_acknowledged_is_undone) {
  create("db");
  snapshot("db", "seed");
  fs::path clone = mount("seed", "id");
  fs::path record = process->pool.clone(clone.filename().string()) / "clone.json";
  std::string text = read(record);
  text.replace(text.find("\"count\":1"), 9, "\"count\":0");
  write(record, text);
  restart();
  BOOST_TEST(!fs::exists(clone));
  BOOST_TEST(live_clones("seed") == 0U);
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(a_crash_between_the_two_records_of_a_snapshot_changes_nothing_one_can_see) {
  create_with("db", "file", "content");
  // What sealing has written by then: the volume's new record and nothing else.
  snapshot("db", "seed");
  process.reset();
  fs::remove_all(pool() / "volumes" / "seed");
  restart();
  BOOST_TEST(content("db", "file") == "content");
  BOOST_CHECK_NO_THROW(snapshot("db", "seed"));
  BOOST_TEST(find("seed")->record.stack.size() == 1U);
  BOOST_TEST(content("seed", "file") == "content");
}

BOOST_AUTO_TEST_CASE(a_record_that_cannot_be_read_keeps_its_name_and_stops_sweeping) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  create("other");
  std::string path = (pool() / "volumes" / "seed" / "volume.json").string();
  std::string good = read(path);
  for (auto const& bad : {std::string(), good.substr(0, 20), std::string("\x01\xff\x00", 3)}) {
    write(path, bad);
    restart();
    BOOST_TEST(contains(find("seed")->unreadable, path));
    BOOST_TEST(contains(refusal([&] { mount("seed", "id"); }), path));
    BOOST_TEST(contains(refusal([&] { remove("seed"); }), path));
    BOOST_TEST(contains(refusal([&] { create("seed"); }), path));
    BOOST_TEST(contains(refusal([&] { snapshot("seed", "twin"); }), path));
    BOOST_TEST(content("db", "file") == "sealed");
  }
  remove("db");
  remove("other");
  BOOST_TEST(layers() == 3U);
  write(path, good);
  restart();
  BOOST_TEST(content("seed", "file") == "sealed");
  BOOST_TEST(layers() == 1U);
}

BOOST_AUTO_TEST_CASE(a_volume_whose_layer_is_gone_is_kept_and_said_so) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  auto layer = find("seed")->record.stack.front();
  fs::rename(pool() / "layers" / layer, disk.path / "lost");
  restart();
  BOOST_TEST(contains(refusal([&] { mount("seed", "id"); }), "layer " + layer + " is gone"));
  fs::rename(disk.path / "lost", pool() / "layers" / layer);
  restart();
  BOOST_TEST(content("seed", "file") == "sealed");
}

BOOST_AUTO_TEST_CASE(a_volume_whose_upper_another_one_names_is_never_written) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  auto shared = find("seed")->record.stack.front();
  fs::path path = pool() / "volumes" / "db" / "volume.json";
  std::string text = read(path);
  auto upper = find("db")->record.upper;
  text.replace(text.find(upper), upper.size(), shared);
  write(path, text);
  restart();
  BOOST_TEST(contains(refusal([&] { mount("db", "id"); }), "belongs to another"));
  BOOST_TEST(content("seed", "file") == "sealed");
}

BOOST_AUTO_TEST_CASE(a_damaged_count_makes_the_volume_prove_that_it_is_free) {
  create("db");
  fs::path volume = mount("db", "id");
  sys::Fd container = sys::open_dir(volume);
  write(process->pool.mounts() / "db", "{");
  process.reset();
  sys::unmount(volume);
  restart_without_mounts();
  BOOST_TEST(contains(refusal([&] { mount("db", "new"); }), "is still in use by a container"));
  container = sys::Fd();
  BOOST_CHECK_NO_THROW(mount("db", "new"));
}

BOOST_AUTO_TEST_CASE(who_has_a_clone_can_mount_it_again_though_the_record_became_unreadable) {
  create("db");
  snapshot("db", "seed");
  fs::path clone = mount("seed", "id");
  write(pool() / "volumes" / "seed" / "volume.json", "{");
  restart();
  BOOST_TEST(mount("seed", "id") == clone);
  BOOST_TEST(contains(refusal([&] { mount("seed", "other"); }), "cannot be used"));
  unmount("seed", "id");
  BOOST_TEST(sys::is_mounted(clone));
  unmount("seed", "id");
  BOOST_TEST(!fs::exists(clone));
}

BOOST_AUTO_TEST_CASE(counts_of_volumes_with_similar_names_do_not_touch_each_other) {
  create("db");
  create("db.tmp");
  fs::path live = mount("db.tmp", "one");
  mount("db", "two");
  restart();
  BOOST_TEST(sys::is_mounted(live));
}

BOOST_AUTO_TEST_CASE(a_sealed_layer_keeps_no_work_directory) {
  create_with("db", "file", "content");
  snapshot("db", "seed");
  auto layer = find("seed")->record.stack.front();
  fs::create_directories(pool() / "layers" / layer / "work" / "work");
  restart();
  BOOST_TEST(trash() == 0U);
  BOOST_TEST(!fs::exists(pool() / "layers" / layer / "work"));
  BOOST_TEST(content("seed", "file") == "content");
}

BOOST_AUTO_TEST_CASE(odd_things_in_the_pool_do_not_keep_it_from_starting) {
  fs::create_directories(process->pool.mounts() / "directory" / "inner");
  write(process->pool.clones() / "file", "x");
  write(pool() / "staging" / "file", "x");
  BOOST_CHECK_NO_THROW(restart());
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(a_pool_without_its_records_or_layers_is_refused_and_not_made_anew) {
  create_with("db", "file", "kept");
  for (auto const* lost : {"volumes", "layers"}) {
    process.reset();
    fs::rename(pool() / lost, disk.path / "lost");
    BOOST_CHECK_EXCEPTION(pool::Pool{pool()}, std::runtime_error, [&](auto const& error) {
      return contains(error.what(), std::string("has lost its directory \"") + lost);
    });
    BOOST_TEST(!fs::exists(pool() / lost));
    fs::rename(disk.path / "lost", pool() / lost);
    restart();
    BOOST_TEST(content("db", "file") == "kept");
  }
}

BOOST_AUTO_TEST_CASE(a_pool_in_use_by_another_process_is_refused) {
  BOOST_CHECK_EXCEPTION(pool::Pool{pool()}, std::runtime_error, [](auto const& error) {
    return contains(error.what(), "in use by another snapclone");
  });
  BOOST_CHECK_EXCEPTION(pool::Pool(pool(), "/srv/pool"), std::runtime_error, [](auto const& error) {
    return contains(error.what(), "the pool /srv/pool is in use by another snapclone");
  });
}

BOOST_AUTO_TEST_CASE(mount_points_in_use_by_another_process_are_refused) {
  BOOST_CHECK_EXCEPTION(volume::MountPoints{disk.path / "mnt"}, std::runtime_error,
                        [&](auto const& error) {
                          return contains(error.what(), (disk.path / "mnt").string()) &&
                                 contains(error.what(), "in use by another snapclone");
                        });
}

BOOST_AUTO_TEST_CASE(a_pool_of_a_newer_format_is_refused_and_not_touched) {
  process.reset();
  std::string good = read(pool() / "format");
  write(pool() / "format", "snapclone pool 3\n");
  fs::remove(pool() / "trash");
  BOOST_CHECK_EXCEPTION(pool::Pool{pool()}, std::runtime_error, [](auto const& error) {
    return contains(error.what(), "snapclone pool 3") && contains(error.what(), "nothing was");
  });
  BOOST_TEST(!fs::exists(pool() / "trash"));
  write(pool() / "format", good);
  restart();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
