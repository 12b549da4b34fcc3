// SPDX-License-Identifier: Apache-2.0
#include "backend/overlay.hpp"

#include "backend/select.hpp"
#include "kit/world.hpp"
#include "tree/attributes.hpp"

#include <sys/mount.h>

namespace snapclone::test {

BOOST_FIXTURE_TEST_SUITE(overlay, World)

BOOST_AUTO_TEST_CASE(the_trial_works_here_and_leaves_nothing) {
  process->backend.self_test(process->points.trial());
  BOOST_TEST(entries(pool() / "staging") == 0U);
  BOOST_TEST(entries(process->points.probes()) == 0U);
  BOOST_TEST(!sys::is_mounted(process->points.trial()));
}

// A file system without extended attributes, on which the kernel silently does without an index.
BOOST_AUTO_TEST_CASE(where_use_cannot_be_seen_the_trial_fails) {
  fs::path ram = disk.path / "ram";
  fs::create_directory(ram);
  BOOST_REQUIRE(::mount("none", ram.c_str(), "ramfs", 0, "") == 0);
  {
    pool::Pool other(ram / "pool");
    backend::OverlayBackend backend(other, process->points.probes());
    BOOST_CHECK_THROW(backend.self_test(process->points.trial()), std::runtime_error);
    auto choice =
        backend::select_backend(other, process->points.probes(), process->points.trial(), "");
    BOOST_TEST(choice.backend->name() == "copy");
    BOOST_TEST_MESSAGE(choice.why);
    BOOST_TEST(contains(choice.why, "overlay: "));
  }
  sys::unmount(ram);
}

BOOST_AUTO_TEST_CASE(asking_about_a_tree_leaves_no_trace_in_it) {
  create_with("db", "file", "x");
  fs::path tree = process->pool.layer(find("db")->record.upper);
  auto before = tree::read_attributes(tree / "fs");
  BOOST_TEST((process->backend.use_of(tree) == backend::Use::free));
  BOOST_TEST((tree::read_attributes(tree / "fs") == before));
  mount("db", "id");
  BOOST_TEST((process->backend.use_of(tree) == backend::Use::used));
}

BOOST_AUTO_TEST_CASE(on_a_full_disk_clones_can_be_ended_and_volumes_removed) {
  create_with("db", "file", "x");
  snapshot("db", "seed");
  fs::path clone = mount("seed", "id");
  std::ofstream fill((clone / "fill").string());
  std::string block(1 << 16, 'f');
  while (fill.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
  fill.close();
  BOOST_CHECK_THROW(sys::write_file(pool() / "probe", block, sys::Durability::process), sys::Error);
  unmount("seed", "id");
  BOOST_TEST(trash() == 0U);
  BOOST_CHECK_NO_THROW(remove("seed"));
  BOOST_CHECK_NO_THROW(remove("db"));
  BOOST_TEST(layers() == 0U);
}

BOOST_AUTO_TEST_CASE(a_full_disk_does_not_keep_the_plugin_from_starting) {
  process->pool.keep_reserve();
  std::ofstream fill((disk.path / "fill").string());
  std::string block(4096, 'f');
  while (fill.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
  fill.close();
  restart();
  process->pool.take_reserve();
  BOOST_CHECK_NO_THROW(process->backend.self_test(process->points.trial()));
  BOOST_CHECK_NO_THROW(process->pool.keep_reserve());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
