// SPDX-License-Identifier: Apache-2.0
#include "volume/pruner.hpp"

#include "kit/manifest.hpp"
#include "kit/media.hpp"
#include "kit/world.hpp"
#include "tree/disk_usage.hpp"

#include <set>
#include <string>

#include <sys/stat.h>
#include <sys/xattr.h>

namespace snapclone::test {
namespace {

constexpr std::uint64_t kMega = 1U << 20U;  // also what a pool keeps back for its start

using Through = std::map<std::string, std::set<std::string>>;

struct Pruned : World {
  Pruned() = default;
  Pruned(fs::path const& directory, std::string const& backend) : World(directory, backend) {}

  // Clones that are being deleted still use their layers.
  std::uint64_t prune() {
    process->trash.wait();
    std::uint64_t bytes = process->store.parts().pruner.round();
    process->trash.wait();
    return bytes;
  }
  std::uint64_t held() const {
    process->trash.wait();
    sys::sync_filesystem(disk.path);
    return tree::disk_usage(disk.path / "pool");
  }
  template <class Work>
  void change(std::string const& name, Work const& work) {
    work(mount(name, "writer"));
    unmount(name, "writer");
  }
  Manifest shown(std::string const& name) {
    Manifest all = manifest(mount(name, "reader"));
    unmount(name, "reader");
    return without_access_times(std::move(all));
  }
  std::uint64_t shown_size(std::string const& name) {
    std::uint64_t size = fs::file_size(mount(name, "reader") / "file");
    unmount(name, "reader");
    return size;
  }
  // The sealed layers of a snapshot hold so many files of this name.
  int files_called(std::string const& snapshot, std::string const& file) const {
    int count = 0;
    for (auto const& layer : find(snapshot)->record.stack) {
      count += fs::exists(process->pool.tree(layer) / file) ? 1 : 0;
    }
    return count;
  }
};

std::string text(char letter, std::uint64_t size) { return std::string(size, letter); }

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
