// SPDX-License-Identifier: Apache-2.0
#include "tree/tree_path.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <barrier>
#include <string>
#include <thread>

namespace snapclone::test {
namespace {

tree::TreePath deep_path(int depth) {
  tree::TreePath path("/tree");
  for (int level = 0; level < depth; ++level) path = path.below(std::to_string(level));
  return path;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tree_paths)

BOOST_AUTO_TEST_CASE(a_path_knows_its_names_and_its_text) {
  tree::TreePath root("/tree");
  tree::TreePath path = root.below("directory").below("file");
  BOOST_TEST(root.is_root());
  BOOST_TEST(root.text() == "/tree");
  BOOST_TEST(path.text() == "/tree/directory/file");
  BOOST_TEST(path.inside() == "directory/file");
  BOOST_TEST(path.above().text() == "/tree/directory");
  BOOST_TEST(path.names().size() == 2U);
  BOOST_TEST(path.name() == "file");
}

BOOST_AUTO_TEST_CASE(a_path_of_a_million_levels_is_dropped_without_a_deep_stack) {
  tree::TreePath path = deep_path(1'000'000);
  BOOST_TEST(path.inside().find(".../") == 0U);
}

// The thread sanitizer sees whether the last user of a name waits for what the others read.
BOOST_AUTO_TEST_CASE(paths_that_share_their_names_may_be_dropped_on_different_threads) {
  std::atomic<std::size_t> read{0};
  for (int round = 0; round < 500; ++round) {
    tree::TreePath path = deep_path(20);
    std::barrier together(2);
    auto read_and_drop = [&](tree::TreePath mine) {
      together.arrive_and_wait();
      read += mine.inside().size();
    };
    std::jthread left(read_and_drop, path.below("left"));
    std::jthread right(read_and_drop, path.below("right"));
    path = tree::TreePath("/other");
  }
  BOOST_TEST(read == 500U * (54 + 55));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
