// SPDX-License-Identifier: Apache-2.0
#include "sys/capabilities.hpp"

#include "kit/manifest.hpp"
#include "kit/plant.hpp"
#include "kit/privileges.hpp"
#include "kit/world.hpp"
#include "tree/remove_tree.hpp"

#include <linux/capability.h>
#include <sys/stat.h>

namespace snapclone::test {
namespace {

std::uint64_t needed() {
  std::uint64_t set = 0;
  for (auto const& capability : sys::needed_capabilities()) {
    set |= std::uint64_t{1} << capability.number;
  }
  return set;
}

// A tree with everything that is hard to copy, and one that is hard to delete.
struct Privileged : World {
  fs::path const original = disk.path / "original";
  int tries = 0;

  Privileged() {
    fs::create_directory(original);
    plant_everything(original);
  }

  fs::path doomed() {
    fs::path tree = disk.path / ("doomed" + std::to_string(++tries));
    for (auto const* name : {"", "closed", "sticky"}) fs::create_directory(tree / name);
    for (auto const* name : {"closed/file", "sticky/file"}) plant_file(tree / name, "");
    BOOST_REQUIRE(chown((tree / "sticky" / "file").c_str(), 1000, 1000) == 0);
    for (auto const& [name, mode] : {std::pair("closed", 0), std::pair("sticky", 01777)}) {
      BOOST_REQUIRE(chown((tree / name).c_str(), 1001, 1001) == 0);
      BOOST_REQUIRE(chmod((tree / name).c_str(), static_cast<mode_t>(mode)) == 0);
    }
    return tree;
  }

  // Reading changes access times here.
  static Manifest shown(fs::path const& tree) {
    Manifest all = manifest(tree);
    for (auto& [path, entry] : all) entry.erase("atime");
    return all;
  }

  // What copying, deleting and asking who uses a tree comes to for a thread with these
  // capabilities: "" if all is well.
  std::string result(std::uint64_t capabilities) {
    fs::path tree = doomed();
    fs::path copy = disk.path / ("copy" + std::to_string(tries));
    fs::create_directory(copy);
    std::string failure;
    try {
      in_a_thread([&] {
        sys::keep_capabilities(capabilities);
        tree::remove_tree(tree);
        process->backend.self_test(process->points.trial());
        tree::copy_tree(original, copy);
      });
    } catch (std::exception const& error) {
      failure = error.what();
    }
    if (failure.empty()) failure = differences(shown(original), shown(copy));
    fs::remove_all(tree);
    fs::remove_all(copy);
    return failure;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(capabilities, Privileged)

BOOST_AUTO_TEST_CASE(the_needed_ones_are_enough_and_without_any_of_them_something_fails) {
  BOOST_TEST(result(needed()) == "");
  for (auto const& capability : sys::needed_capabilities()) {
    BOOST_TEST_CONTEXT(capability.name) {
      std::string failure = result(needed() & ~(std::uint64_t{1} << capability.number));
      BOOST_TEST_MESSAGE(capability.name << ": " << failure);
      BOOST_TEST(failure != "");
    }
  }
}

BOOST_AUTO_TEST_CASE(one_that_is_missing_is_named_with_its_use) {
  std::string sentence;
  in_a_thread([&] {
    sys::keep_capabilities(needed() & ~(std::uint64_t{1} << CAP_MKNOD));
    try {
      sys::check_needed_capabilities();
    } catch (std::runtime_error const& error) {
      sentence = error.what();
    }
  });
  BOOST_TEST(contains(sentence, "CAP_MKNOD (to make device files)"));
  BOOST_TEST(!contains(sentence, "CAP_CHOWN"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
