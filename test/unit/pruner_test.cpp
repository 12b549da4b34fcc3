// SPDX-License-Identifier: Apache-2.0
#include "volume/pruner.hpp"

#include "kit/failing_calls.hpp"
#include "kit/privileges.hpp"
#include "pruner_fixture.hpp"
#include "tree/hidden_entries.hpp"
#include "volume/stack_view.hpp"

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace snapclone::test {
namespace {

using Through = std::map<std::string, std::set<std::string>>;

}  // namespace

BOOST_AUTO_TEST_SUITE(pruning)

BOOST_AUTO_TEST_CASE(a_layer_is_judged_by_the_shortest_stacks_that_have_it) {
  // A snapshot of two layers, one of four on it, and another one beside that.
  std::vector<volume::Stack> stacks = {{"b", "a"}, {"d", "c", "b", "a"}, {"f", "e", "b", "a"}};
  BOOST_TEST((volume::seen_through(stacks) == Through{{"a", {"b"}}, {"c", {"d"}}, {"e", {"f"}}}));
  stacks.erase(stacks.begin());
  BOOST_TEST((volume::seen_through(stacks) ==
              Through{{"a", {"d", "f"}}, {"b", {"d", "f"}}, {"c", {"d"}}, {"e", {"f"}}}));
  BOOST_TEST(volume::seen_through({{"a"}}).empty());
}

BOOST_FIXTURE_TEST_CASE(what_a_removed_snapshot_alone_showed_is_given_back, Pruned) {
  create_with("db", "file", text('a', kMega));
  for (int night = 1; night < 10; ++night) {
    snapshot("db", "s" + std::to_string(night));
    change("db", [&](fs::path const& path) {
      write(path / "file", text(static_cast<char>('a' + night), kMega + night));
    });
  }
  auto before = shown("s9");
  for (int night = 1; night < 9; ++night) remove("s" + std::to_string(night));
  BOOST_TEST(held() > 10 * kMega);
  BOOST_TEST(prune() >= 7 * kMega);
  BOOST_TEST(held() < 4 * kMega);
  BOOST_TEST(differences(before, shown("s9")) == "");
  BOOST_TEST(shown_size("db") == kMega + 9);
  BOOST_TEST(prune() == 0);
}

BOOST_FIXTURE_TEST_CASE(what_another_snapshot_shows_stays, Pruned) {
  create_with("db", "file", "first");
  snapshot("db", "one");
  change("db", [](fs::path const& path) { write(path / "file", "the second"); });
  snapshot("db", "two");
  change("db", [](fs::path const& path) { write(path / "file", "and the third"); });
  snapshot("db", "three");
  prune();
  BOOST_TEST(files_called("three", "file") == 3);
  remove("two");
  prune();
  BOOST_TEST(files_called("three", "file") == 2);
  BOOST_TEST(content("one", "file") == "first");
  BOOST_TEST(content("three", "file") == "and the third");
}

BOOST_FIXTURE_TEST_CASE(what_an_idle_volume_deleted_is_given_back, Pruned) {
  create_with("db", "file", text('a', 4 * kMega));
  snapshot("db", "seed");
  change("db", [](fs::path const& path) { fs::remove(path / "file"); });
  remove("seed");
  prune();
  BOOST_TEST(held() < 2 * kMega);
  change("db", [](fs::path const& path) { BOOST_TEST(fs::is_empty(path)); });
}

BOOST_FIXTURE_TEST_CASE(below_a_mounted_volume_sealed_layers_alone_decide, Pruned) {
  create_with("db", "file", text('a', kMega));
  snapshot("db", "one");
  change("db", [](fs::path const& path) { write(path / "file", text('b', kMega + 1)); });
  snapshot("db", "two");
  remove("one");
  remove("two");
  fs::path path = mount("db", "writer");
  write(path / "file", text('c', kMega + 2));
  prune();
  BOOST_TEST(held() > 3 * kMega);  // the volume's own, and the file that was sealed last
  BOOST_TEST(held() < 4 * kMega);
  BOOST_TEST(fs::file_size(path / "file") == kMega + 2);
  unmount("db", "writer");
  prune();
  BOOST_TEST(held() < 3 * kMega);
  BOOST_TEST(shown_size("db") == kMega + 2);
}

BOOST_FIXTURE_TEST_CASE(a_layer_that_a_live_clone_uses_is_left_alone, Pruned) {
  create_with("db", "file", "first");
  snapshot("db", "one");
  change("db", [](fs::path const& path) { write(path / "file", "the second"); });
  snapshot("db", "two");
  remove("one");
  mount("two", "clone");
  prune();
  BOOST_TEST(files_called("two", "file") == 2);
  unmount("two", "clone");
  prune();
  BOOST_TEST(files_called("two", "file") == 1);
}

BOOST_FIXTURE_TEST_CASE(directories_that_were_renamed_keep_what_they_show, Pruned) {
  create("db");
  change("db", [](fs::path const& path) {
    fs::create_directories(path / "a/deep");
    for (auto const* name : {"one", "two", "deep/three"}) write(path / "a" / name, name);
  });
  snapshot("db", "s1");
  change("db", [](fs::path const& path) {
    fs::rename(path / "a", path / "b");
    write(path / "b/one", "another one");
  });
  snapshot("db", "s2");
  change("db", [](fs::path const& path) {
    fs::create_directory(path / "c");
    fs::rename(path / "b", path / "c/d");
    fs::remove(path / "c/d/two");
    fs::create_directory(path / "a");
  });
  snapshot("db", "s3");
  auto before = shown("s3");
  remove("s1");
  remove("s2");
  prune();
  BOOST_TEST(files_called("s3", "a/one") == 0);
  BOOST_TEST(files_called("s3", "a/two") == 0);
  BOOST_TEST(files_called("s3", "a/deep/three") == 1);
  BOOST_TEST(differences(before, shown("s3")) == "");
}

BOOST_FIXTURE_TEST_CASE(a_file_with_several_names_stays_while_one_of_them_is_shown, Pruned) {
  create("db");
  change("db", [](fs::path const& path) {
    write(path / "a", "linked");
    fs::create_hard_link(path / "a", path / "b");
  });
  snapshot("db", "s1");
  change("db", [](fs::path const& path) { fs::remove(path / "a"); });
  snapshot("db", "s2");
  auto before = shown("s2");
  remove("s1");
  prune();
  BOOST_TEST(differences(before, shown("s2")) == "");
  change("db", [](fs::path const& path) { fs::remove(path / "b"); });
  snapshot("db", "s3");
  remove("s2");
  prune();
  BOOST_TEST(files_called("s3", "a") == 1);  // the whiteout
  BOOST_TEST(held() < 2 * kMega);
}

// A round takes long if there is much to look at. Whatever is made meanwhile must not be
// overlooked.
BOOST_FIXTURE_TEST_CASE(a_snapshot_that_is_made_during_a_round_keeps_what_it_shows, Pruned) {
  std::vector<std::string> const names = {"one", "two"};
  for (auto const& name : names) {
    create_with(name, "file", name);
    change(name, [](fs::path const& path) {
      for (int i = 0; i < 5000; ++i) write(path / std::to_string(i), "");
    });
    snapshot(name, "seed");
    remove("seed");
  }
  process->trash.wait();
  std::jthread round([&] { process->store.parts().pruner.round(); });
  while (entries(process->points.views()) == 0) std::this_thread::yield();
  for (auto const& name : names) {
    snapshot(name, name + "-later");
    change(name, [](fs::path const& path) { fs::remove(path / "file"); });
  }
  round.join();
  for (auto const& name : names) BOOST_TEST(content(name + "-later", "file") == name);
}

BOOST_FIXTURE_TEST_CASE(a_volume_that_is_mounted_meanwhile_ends_the_round, Pruned) {
  create_with("db", "file", "first");
  snapshot("db", "one");
  change("db", [](fs::path const& path) { write(path / "file", "the second"); });
  volume::LayerWatch::Watch watch(process->catalogue.watch(), {find("one")->record.stack.front()});
  BOOST_TEST(watch.hold());
  watch.release();
  mount("db", "id");
  BOOST_TEST(!watch.hold());
  unmount("db", "id");
}

BOOST_FIXTURE_TEST_CASE(a_round_that_fails_changes_nothing_that_is_shown, Pruned) {
  create_with("db", "file", text('a', kMega));
  snapshot("db", "one");
  change("db", [](fs::path const& path) {
    fs::create_directory(path / "deep");
    write(path / "deep/file", "deep");
    write(path / "file", "the second");
  });
  snapshot("db", "two");
  change("db", [](fs::path const& path) {
    fs::remove_all(path / "deep");
    write(path / "file", "and the third");
  });
  snapshot("db", "three");
  auto before = shown("three");
  remove("one");
  remove("two");
  process->trash.wait();
  for (auto const* call : {"mount", "getdents64", "newfstatat", "openat", "openat2", "mkdir",
                           "syncfs", "renameat2", "unlinkat", "umount2"}) {
    BOOST_TEST_CONTEXT(call) {
      in_a_thread([&] {
        fail_calls({{call, EIO}});
        process->store.parts().pruner.round();
      });
      BOOST_TEST(differences(before, shown("three")) == "");
      process->trash.wait();
    }
  }
  prune();
  BOOST_TEST(differences(before, shown("three")) == "");
  BOOST_TEST(files_called("three", "file") == 1);
  restart();
  BOOST_TEST(differences(before, shown("three")) == "");
  BOOST_TEST(entries(pool() / "staging") == 0);
}

BOOST_FIXTURE_TEST_CASE(a_crash_between_two_moves_leaves_what_is_shown, Pruned) {
  create("db");
  change("db", [](fs::path const& path) {
    // On a tmpfs what has the size of a file that is shown stays.
    for (int i = 0; i < 10; ++i) write(path / std::to_string(i), i < 8 ? "first text" : "text");
  });
  snapshot("db", "one");
  change("db", [](fs::path const& path) {
    for (int i = 0; i < 8; ++i) write(path / std::to_string(i), "another text");
  });
  snapshot("db", "two");
  auto before = shown("two");
  auto stack = find("two")->record.stack;
  remove("one");
  for (std::size_t moves : {1, 4}) {
    volume::StackView view(process->points, process->backend, stack);
    tree::HiddenEntries hidden({process->pool.tree(stack.back())}, {});
    BOOST_TEST(hidden.find_some(view.path()));
    hidden.leave_out_shown_by(view.path(), process->pool.tree(stack.front()));
    hidden.leave_out_data();
    sys::make_dir(pool() / "staging/bin");
    hidden.move_some(pool() / "staging/bin", moves, false);
    BOOST_TEST(!hidden.empty());
    restart();
    process->trash.wait();
    BOOST_TEST(entries(pool() / "staging") == 0);
    BOOST_TEST(differences(before, shown("two")) == "");
  }
  prune();
  BOOST_TEST(differences(before, shown("two")) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
