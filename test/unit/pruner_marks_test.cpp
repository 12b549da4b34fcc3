// SPDX-License-Identifier: Apache-2.0
#include "kit/media.hpp"
#include "pruner_fixture.hpp"
#include "tree/hidden_entries.hpp"
#include "volume/stack_view.hpp"

#include <fstream>
#include <string>

#include <fcntl.h>
#include <unistd.h>

// Files of which a layer has only a mark and the attributes (metacopy).
namespace snapclone::test {

BOOST_AUTO_TEST_SUITE(pruning_marked_files)

// With metacopy the layer on top has the attributes of such a file alone.
BOOST_AUTO_TEST_CASE(the_content_of_a_file_whose_attributes_alone_changed_stays) {
  for (auto const* type : {"ext4", "xfs"}) {
    BOOST_TEST_CONTEXT(type) {
      Media media(type);
      Pruned world(media.path, "overlay");
      world.create_with("db", "file", text('a', kMega));
      world.change("db", [](fs::path const& path) {
        World::write(path / "other", text('b', kMega));
        fs::create_hard_link(path / "other", path / "link");
      });
      world.snapshot("db", "s1");
      world.change("db", [](fs::path const& path) {
        fs::permissions(path / "file", fs::owner_read);
        fs::rename(path / "other", path / "renamed");
        World::write(path / "link", text('c', kMega));
      });
      world.snapshot("db", "s2");
      auto before = world.shown("s2");
      world.remove("s1");
      world.prune();
      BOOST_TEST(differences(before, world.shown("s2")) == "");
      world.change("db", [](fs::path const& path) {
        World::write(path / "file", text('d', kMega));
        World::write(path / "renamed", text('e', kMega));
      });
      world.snapshot("db", "s3");
      before = world.shown("s3");
      world.remove("s2");
      world.prune();
      BOOST_TEST(differences(before, world.shown("s3")) == "");
      world.remove("s3");
      world.prune();
      BOOST_TEST(world.held() < 6 * kMega);
    }
  }
}

// It keeps a mark and attributes of its own as well, and without the file below it cannot be
// opened.
BOOST_FIXTURE_TEST_CASE(an_empty_file_whose_attributes_alone_changed_stays, Pruned) {
  create("db");
  change("db", [](fs::path const& path) {
    for (auto const* name : {"empty", "moved"}) write(path / name, "");
  });
  snapshot("db", "s1");
  change("db", [](fs::path const& path) {
    fs::permissions(path / "empty", fs::owner_read);
    fs::rename(path / "moved", path / "renamed");
  });
  snapshot("db", "s2");
  change("db", [](fs::path const& path) {
    for (auto const* name : {"empty", "renamed"}) fs::permissions(path / name, fs::others_read);
  });
  snapshot("db", "s3");
  auto before = shown("s3");
  remove("s1");
  remove("s2");
  prune();
  BOOST_TEST(differences(before, shown("s3")) == "");
}

// As cp --sparse=never and rsync without --sparse leave it.
BOOST_AUTO_TEST_CASE(a_renamed_file_stays_though_a_copy_of_the_pool_filled_its_hole) {
  Media media("ext4");
  Pruned world(media.path, "overlay");
  world.create_with("db", "file", text('a', kMega));
  world.snapshot("db", "s1");
  world.change("db", [](fs::path const& path) { fs::rename(path / "file", path / "renamed"); });
  world.snapshot("db", "s2");
  world.change("db",
               [](fs::path const& path) { fs::permissions(path / "renamed", fs::owner_read); });
  world.snapshot("db", "s3");
  auto before = world.shown("s3");
  fs::path mark = world.process->pool.tree(world.find("s2")->record.stack.front()) / "renamed";
  std::ofstream(mark.string(), std::ios::in | std::ios::out) << text('\0', kMega);
  sys::sync_filesystem(sys::open_dir(media.path).get());
  world.remove("s1");
  world.remove("s2");
  world.prune();
  BOOST_TEST(differences(before, world.shown("s3")) == "");
}

// A file system frees what it kept for more content, and one that is tidied up moves it.
BOOST_AUTO_TEST_CASE(content_that_the_file_system_moves_meanwhile_stays) {
  Media media("ext4");
  Pruned world(media.path, "overlay");
  world.create_with("db", "file", text('a', kMega));
  world.snapshot("db", "s1");
  world.change("db", [](fs::path const& path) { fs::permissions(path / "file", fs::owner_read); });
  world.snapshot("db", "s2");
  auto stack = world.find("s2")->record.stack;
  fs::path lower = world.process->pool.tree(stack.back());
  volume::StackView view(world.process->points, world.process->backend, stack);
  tree::HiddenEntries hidden({lower}, {});
  BOOST_TEST(hidden.find_some(view.path()));
  sys::Fd file(open((lower / "file").c_str(), O_WRONLY | O_CLOEXEC));
  BOOST_TEST(fallocate(file.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, kMega, kMega) == 0);
  BOOST_TEST(fsync(file.get()) == 0);
  hidden.leave_out_shown_by(view.path(), world.process->pool.tree(stack.front()));
  hidden.leave_out_data();
  BOOST_TEST(hidden.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
