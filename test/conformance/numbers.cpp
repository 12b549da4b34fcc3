// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"

#include <map>
#include <set>
#include <tuple>

#include <sys/stat.h>

// What tells one file from another: st_dev and st_ino.
namespace snapclone::test {
namespace {

using Number = std::tuple<dev_t, ino_t>;

constexpr int kFiles = 8;

struct stat status_of(fs::path const& path) {
  struct stat status {};
  BOOST_REQUIRE(lstat(path.c_str(), &status) == 0);
  return status;
}

Number number_of(fs::path const& path) {
  struct stat status = status_of(path);
  return {status.st_dev, status.st_ino};
}

// "1" to "8", each with a second name in the directory "links".
void plant_linked_files(fs::path const& root) {
  fs::create_directories(root / "links");
  for (int i = 1; i <= kFiles; ++i) {
    World::write(root / std::to_string(i), "content " + std::to_string(i));
    fs::create_hard_link(root / std::to_string(i), root / "links" / std::to_string(i));
  }
}

// By number, the names of what is not a directory.
std::map<Number, std::set<std::string>> files(fs::path const& root) {
  std::map<Number, std::set<std::string>> found;
  for (auto const& entry : fs::recursive_directory_iterator(root)) {
    if (fs::is_directory(entry.symlink_status())) continue;
    found[number_of(entry.path())].insert(entry.path().lexically_relative(root).string());
  }
  return found;
}

std::set<std::set<std::string>> names(fs::path const& root) {
  std::set<std::set<std::string>> all;
  for (auto const& [number, of_a_file] : files(root)) all.insert(of_a_file);
  return all;
}

void seed_in_memory(Conforming& world, std::function<void(fs::path const&)> const& plant) {
  world.create("db");
  plant(world.mount("db", "writer"));
  world.unmount("db", "writer");
  world.create("seed", {{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "16m"}});
}

}  // namespace

// JavaScript and others keep them in one, SQLite in 63 bits.
PROMISE(a_double_can_hold_the_numbers_of_everything_in_a_clone_in_memory) {
  seed_in_memory(world, plant_linked_files);
  fs::path clone = world.mount("seed", "id");
  World::write(clone / "1", "changed");
  fs::create_directory(clone / "made");
  World::write(clone / "made" / "new", "new");
  std::size_t seen = 0;
  for (auto const& entry : fs::recursive_directory_iterator(clone)) {
    BOOST_TEST(status_of(entry.path()).st_ino < std::uint64_t{1} << 53U, entry.path());
    ++seen;
  }
  BOOST_TEST(seen == 2U * kFiles + 3U);
  world.unmount("seed", "id");
  world.check_all_is_gone();
}

PROMISE(what_is_one_file_in_a_snapshot_is_one_file_in_a_clone_in_memory_and_else_is_none) {
  seed_in_memory(world, plant_linked_files);
  fs::path clone = world.mount("seed", "id");
  plant_linked_files(clone / "own");
  std::set<std::set<std::string>> expected;
  for (int i = 1; i <= kFiles; ++i) {
    std::string name = std::to_string(i);
    expected.insert({name, "links/" + name});
    expected.insert({"own/" + name, "own/links/" + name});
  }
  BOOST_TEST((names(clone) == expected));
  world.unmount("seed", "id");
  world.check_all_is_gone();
}

PROMISE(a_file_of_a_clone_in_memory_keeps_its_number_when_it_is_written) {
  seed_in_memory(world, [](fs::path const& root) {
    for (int i = 1; i <= kFiles; ++i) World::write(root / std::to_string(i), "sealed");
  });
  fs::path clone = world.mount("seed", "id");
  auto before = files(clone);
  BOOST_TEST(before.size() == std::size_t{kFiles});
  for (int i = 1; i <= kFiles; ++i) World::write(clone / std::to_string(i), "changed");
  BOOST_TEST((files(clone) == before));
  World::write(clone / "new", "new");
  BOOST_TEST(files(clone).size() == before.size() + 1);
  world.unmount("seed", "id");
  world.check_all_is_gone();
}

}  // namespace snapclone::test
