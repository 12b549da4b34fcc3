// SPDX-License-Identifier: Apache-2.0
#include "kit/world.hpp"
#include "tree/attributes.hpp"

#include <sys/xattr.h>

namespace snapclone::test {

BOOST_FIXTURE_TEST_SUITE(volumes, World)

BOOST_AUTO_TEST_CASE(a_clone_shows_the_snapshot_and_keeps_its_writes_to_itself) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  fs::path one = mount("seed", "one");
  fs::path two = mount("seed", "two");
  write(one / "file", "changed");
  fs::remove(two / "file");
  BOOST_TEST(read(one / "file") == "changed");
  BOOST_TEST(!fs::exists(two / "file"));
  BOOST_TEST(content("seed", "file") == "sealed");
}

BOOST_AUTO_TEST_CASE(a_volume_goes_on_after_a_snapshot_without_changing_it) {
  create_with("db", "file", "first");
  snapshot("db", "seed");
  write(mount("db", "later") / "file", "second");
  unmount("db", "later");
  BOOST_TEST(content("db", "file") == "second");
  BOOST_TEST(content("seed", "file") == "first");
}

BOOST_AUTO_TEST_CASE(a_snapshot_copies_nothing) {
  create_with("db", "file", "content");
  auto upper = find("db")->record.upper;
  auto inode = fs::hard_link_count(pool() / "layers" / upper / "fs" / "file");
  snapshot("db", "seed");
  BOOST_TEST(find("seed")->record.stack == Lines{upper}, boost::test_tools::per_element());
  BOOST_TEST(inode == 1U);
}

BOOST_AUTO_TEST_CASE(a_snapshot_of_an_unchanged_volume_adds_no_layer) {
  create_with("db", "file", "content");
  snapshot("db", "one");
  snapshot("db", "two");
  content("db", "file");
  snapshot("db", "three");
  BOOST_TEST(find("three")->record.stack.size() == 1U);
  BOOST_TEST(layers() == 2U);
}

BOOST_AUTO_TEST_CASE(a_change_of_the_root_directory_alone_is_in_the_snapshot) {
  create_with("db", "file", "content");
  snapshot("db", "one");
  fs::path root = mount("db", "m");
  fs::permissions(root, static_cast<fs::perms>(01711));
  unmount("db", "m");
  snapshot("db", "two");
  BOOST_TEST(tree::read_attributes(mount("two", "t")).mode == 01711U);
  BOOST_TEST(tree::read_attributes(mount("one", "o")).mode == 0755U);
}

BOOST_AUTO_TEST_CASE(a_snapshot_of_a_mounted_volume_is_refused_and_changes_nothing) {
  create_with("db", "file", "content");
  auto before = find("db");
  mount("db", "one");
  mount("db", "two");
  BOOST_TEST(refusal([&] { snapshot("db", "seed"); }) ==
             "volume \"db\" is in use by 2 mounts: stop the containers that use it (docker ps "
             "--filter volume=db shows them), then make the snapshot; or pause them (docker pause) "
             "and add -o live=true, which copies what has changed; or keep such volumes in a pool "
             "on btrfs, which freezes them as they run");
  BOOST_TEST(find("db") == before);
  BOOST_TEST(!find("seed"));
  BOOST_TEST(layers() == 1U);
  unmount("db", "one");
  unmount("db", "two");
  BOOST_CHECK_NO_THROW(snapshot("db", "seed"));
}

BOOST_AUTO_TEST_CASE(a_volume_held_by_a_mount_that_nobody_counts_is_not_sealed) {
  create_with("db", "file", "content");
  fs::path held = disk.path / "held";
  fs::create_directory(held);
  process->backend.mount(process->pool.layer(find("db")->record.upper), {},
                         backend::Access::persistent, "x", held);
  std::string sentence = refusal([&] { snapshot("db", "seed"); });
  BOOST_TEST(contains(sentence, "is still in use by a container"));
  BOOST_TEST(contains(sentence,
                      "stop that container (docker ps --filter volume=db shows it), then make the "
                      "snapshot; or pause it (docker pause) and add -o live=true"));
  BOOST_TEST(contains(refusal([&] { remove("db"); }), "is still in use by a container"));
  sys::unmount(held);
  BOOST_CHECK_NO_THROW(snapshot("db", "seed"));
}

BOOST_AUTO_TEST_CASE(a_clone_of_a_snapshot_persists_and_outlives_its_source) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  create("dev", {{"clone-of", "seed"}});
  write(mount("dev", "m") / "own", "kept");
  unmount("dev", "m");
  remove("seed");
  remove("db");
  BOOST_TEST(content("dev", "file") == "sealed");
  BOOST_TEST(content("dev", "own") == "kept");
  BOOST_TEST(layers() == 2U);
}

BOOST_AUTO_TEST_CASE(a_clone_of_a_volume_is_independent_both_ways) {
  create_with("db", "file", "first");
  create("dev", {{"clone-of", "db"}});
  write(mount("dev", "m") / "file", "dev's");
  unmount("dev", "m");
  BOOST_TEST(content("db", "file") == "first");
  write(mount("db", "m") / "file", "db's");
  unmount("db", "m");
  BOOST_TEST(content("dev", "file") == "dev's");
}

BOOST_AUTO_TEST_CASE(a_snapshot_of_a_snapshot_shares_its_layers) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  snapshot("seed", "twin");
  remove("seed");
  BOOST_TEST(content("twin", "file") == "sealed");
  auto lineage = find("twin")->record.lineage;
  BOOST_TEST(lineage == (Lines{"seed", "db"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_empty_volume_gives_an_empty_snapshot) {
  create("db");
  snapshot("db", "seed");
  BOOST_TEST(fs::is_empty(mount("seed", "m")));
}

BOOST_AUTO_TEST_CASE(a_read_only_snapshot_cannot_be_written) {
  create_with("db", "file", "sealed");
  create("seed", {{"snapshot-of", "db"}, {"access", "ro"}});
  fs::path clone = mount("seed", "m");
  BOOST_CHECK_THROW(fs::create_directory(clone / "x"), fs::filesystem_error);
  BOOST_TEST(read(clone / "file") == "sealed");
}

BOOST_AUTO_TEST_CASE(a_snapshot_takes_over_its_sources_target_unless_given_its_own) {
  create("db", {{"target", "/a"}});
  snapshot("db", "same");
  create("other", {{"snapshot-of", "db"}, {"target", "/b"}});
  BOOST_TEST(find("same")->record.target.value() == "/a");
  BOOST_TEST(find("other")->record.target.value() == "/b");
}

BOOST_AUTO_TEST_CASE(creating_again_with_the_same_options_is_success_and_with_others_is_not) {
  create("db");
  snapshot("db", "seed");
  BOOST_CHECK_NO_THROW(create("db"));
  BOOST_CHECK_NO_THROW(snapshot("db", "seed"));
  BOOST_TEST(contains(refusal([&] { create("seed"); }), "exists already with other options"));
}

BOOST_AUTO_TEST_CASE(a_source_that_is_missing_is_named) {
  std::string advice =
      ": docker volume ls shows which are its own, and those of other drivers must be copied into "
      "one first";
  BOOST_TEST(refusal([&] { snapshot("nope", "seed"); }) ==
             "snapclone has no volume \"nope\" to make a snapshot of" + advice);
  BOOST_TEST(refusal([&] {
               create("dev", {{"clone-of", "nope"}});
             }) == "snapclone has no volume \"nope\" to make a clone of" + advice);
  BOOST_TEST(process->catalogue.all().empty());
}

BOOST_AUTO_TEST_CASE(a_snapshot_with_live_clones_cannot_be_removed) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  mount("seed", "one");
  mount("seed", "two");
  BOOST_TEST(refusal([&] { remove("seed"); }) ==
             "snapshot \"seed\" has 2 live clones: stop the containers that use it first");
  unmount("seed", "one");
  unmount("seed", "two");
  BOOST_CHECK_NO_THROW(remove("seed"));
}

BOOST_AUTO_TEST_CASE(a_mounted_volume_cannot_be_removed) {
  create("db");
  mount("db", "m");
  BOOST_TEST(contains(refusal([&] { remove("db"); }), "is in use by 1 mount: stop"));
  unmount("db", "m");
  BOOST_CHECK_NO_THROW(remove("db"));
  BOOST_TEST(refusal([&] { remove("db"); }) == "there is no volume \"db\"");
}

BOOST_AUTO_TEST_CASE(removing_frees_exactly_the_layers_that_nobody_names) {
  create_with("db", "file", "1");
  snapshot("db", "one");
  write(mount("db", "m") / "file", "2");
  unmount("db", "m");
  snapshot("db", "two");
  BOOST_TEST(layers() == 3U);
  remove("one");
  BOOST_TEST(layers() == 3U);  // the first layer is in the stack of "two"
  remove("two");
  BOOST_TEST(layers() == 3U);  // and in that of "db"
  remove("db");
  BOOST_TEST(layers() == 0U);
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(a_chain_of_snapshots_has_no_end_and_no_high_stack) {
  create("db");
  constexpr int kSnapshots = 130;
  for (int i = 0; i < kSnapshots; ++i) {
    fs::path path = mount("db", "m");
    write(path / "file", std::to_string(i));
    write(path / ("only" + std::to_string(i)), "x");
    fs::remove(path / ("only" + std::to_string(i - 1)));
    unmount("db", "m");
    snapshot("db", "seed" + std::to_string(i));
    BOOST_TEST(find("db")->record.stack.size() <= 50U);
  }
  for (int i = 0; i < kSnapshots; ++i) {
    std::string name = "seed" + std::to_string(i);
    fs::path path = mount(name, "m");
    BOOST_TEST(read(path / "file") == std::to_string(i));
    BOOST_TEST(entries(path) == 2U);
    BOOST_TEST(fs::exists(path / ("only" + std::to_string(i))));
    unmount(name, "m");
  }
}

BOOST_AUTO_TEST_CASE(removing_all_of_a_chain_leaves_the_layers_of_the_volume_alone) {
  create("db");
  for (int i = 0; i < 60; ++i) {
    write(mount("db", "m") / "file", std::to_string(i));
    unmount("db", "m");
    snapshot("db", "seed" + std::to_string(i));
  }
  for (int i = 0; i < 60; ++i) remove("seed" + std::to_string(i));
  BOOST_TEST(layers() == find("db")->record.stack.size() + 1);
  BOOST_TEST(layers() < 15U);
  BOOST_TEST(content("db", "file") == "59");
}

// Overlays take such names since Linux 6.7; before, a container cannot store them.
BOOST_AUTO_TEST_CASE(a_flattened_snapshot_keeps_what_a_container_stored_under_overlayfs_names) {
  create("db");
  fs::path tried = mount("db", "m");
  if (setxattr(tried.c_str(), "trusted.overlay.opaque", "x", 1, 0) != 0) {
    BOOST_TEST(errno == EOPNOTSUPP);
    return;
  }
  BOOST_REQUIRE(removexattr(tried.c_str(), "trusted.overlay.opaque") == 0);
  unmount("db", "m");
  for (int i = 0; i <= 50; ++i) {
    fs::path path = mount("db", "m");
    write(path / "file", std::to_string(i));
    std::string value = std::to_string(i);
    BOOST_REQUIRE(setxattr((path / "file").c_str(), "trusted.overlay.opaque", value.data(),
                           value.size(), 0) == 0);
    unmount("db", "m");
    snapshot("db", "seed" + std::to_string(i));
  }
  BOOST_TEST(find("seed50")->record.stack.size() == 1U);
  char value[8] = {};
  BOOST_TEST(getxattr((mount("seed50", "m") / "file").c_str(), "trusted.overlay.opaque", value,
                      sizeof value) == 2);
  BOOST_TEST(std::string(value) == "50");
}

BOOST_AUTO_TEST_CASE(a_source_that_names_no_one_clone_is_refused_without_waiting_for_any) {
  create("db");
  snapshot("db", "seed");
  for (auto const* id : {"a1", "a2", "b1"}) mount("seed", id);
  keeps_jobs = true;  // all the clones' turns are taken
  for (auto const* id : {"a1", "a2", "b1"}) {
    process->store.unmount(volume::VolumeName("seed"), volume::MountId(id), [](auto const&) {});
  }
  keeps_jobs = false;
  for (auto const* source : {"seed@", "seed@a", "seed@c"}) {
    std::optional<std::string> answer;
    volume::CreateRequest request{volume::VolumeName("kept"),
                                  volume::parse_options({{"snapshot-of", source}})};
    process->store.create(request, [&](volume::Store::Result<void> const& result) {
      answer = refusal([&] { result.value(); });
    });
    BOOST_TEST_CONTEXT(source) { BOOST_TEST(contains(answer.value_or(""), "seed@a2 (since ")); }
  }
  run_jobs();
}

BOOST_AUTO_TEST_CASE(a_snapshot_of_a_live_clone_waits_for_that_clone_alone) {
  create("db");
  snapshot("db", "seed");
  for (auto const* id : {"a1", "b1"}) mount("seed", id);
  auto answered = [this](std::string const& source, std::string const& name) {
    bool told = false;
    volume::CreateRequest request{volume::VolumeName(name),
                                  volume::parse_options({{"snapshot-of", source}})};
    process->store.create(request, [&told](auto const&) { told = true; });
    return told;
  };
  keeps_jobs = true;
  process->store.unmount(volume::VolumeName("seed"), volume::MountId("a1"), [](auto const&) {});
  keeps_jobs = false;
  BOOST_TEST(answered("seed@b", "kept"));
  run_jobs();
  BOOST_TEST(find("kept") != nullptr);
}

BOOST_AUTO_TEST_CASE(live_true_leaves_an_idle_volume_as_it_is) {
  create_with("db", "file", "text");
  auto before = find("db")->record;
  create("seed", {{"snapshot-of", "db"}, {"live", "true"}});
  create("dev", {{"clone-of", "db"}, {"live", "true"}});
  BOOST_TEST((find("db")->record == before));
  BOOST_TEST(content("seed", "file") == "text");
  BOOST_TEST(content("dev", "file") == "text");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
