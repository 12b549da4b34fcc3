// SPDX-License-Identifier: Apache-2.0
#include "kit/manifest.hpp"
#include "kit/plant.hpp"
#include "load/in_parallel.hpp"
#include "load/instance.hpp"
#include "load/load.hpp"

#include <boost/filesystem/operations.hpp>
#include <boost/test/unit_test.hpp>

namespace snapclone::test {
namespace {

constexpr int kClones = 1000;
constexpr int kClients = 16;
// An allocator keeps what it once got. Another 1,000 clones must do with that.
constexpr std::size_t kMemorySlack = 512 << 10U;

std::string id_of(int clone) { return "id" + std::to_string(clone); }

struct Seed {
  explicit Seed(Ground const& ground) : instance(ground, "warning"), caller(instance.socket()) {
    caller.create("base");
    fs::path root = caller.mount("base", "writer");
    plant_file(root / "file", "of the snapshot");
    fs::create_directory(root / "directory");
    plant_file(root / "directory" / "inner", "inner");
    fs::create_hard_link(root / "directory" / "inner", root / "linked");
    plant_special_files(root, false);
    plant_times(root);
    caller.unmount("base", "writer");
    caller.create("seed", {{"snapshot-of", "base"}});
  }

  // What a clone shows that nobody has used; but for access times, which reading changes.
  Manifest shown() {
    Manifest all = without_access_times(manifest(caller.mount("seed", "looker")));
    caller.unmount("seed", "looker");
    return all;
  }

  Instance instance;
  Caller caller;
};

void scribble(fs::path const& clone, std::string const& id) {
  plant_file(clone / "file", id);
  plant_file(clone / "mine", id);
  fs::remove(clone / "directory" / "inner");
}

// Empty if the clone shows its own changes and no others.
std::string difference(fs::path const& clone, std::string const& id) {
  std::string own = sys::read_file(clone / "file") + " " + sys::read_file(clone / "mine");
  if (own != id + " " + id) return clone.string() + " shows " + own;
  if (!sys::list_dir(clone / "directory").empty()) return clone.string() + " got a file back";
  std::size_t entries = sys::list_dir(clone).size();
  return entries == 5 ? "" : clone.string() + " has " + std::to_string(entries) + " entries";
}

void hold_all(Seed& seed, Manifest const& before) {
  std::vector<fs::path> paths(kClones);
  in_parallel(kClients, [&](int client) {
    Caller caller(seed.instance.socket());
    for (int i = client; i < kClones; i += kClients) {
      paths.at(i) = caller.mount("seed", id_of(i));
      scribble(paths.at(i), id_of(i));
    }
  });
  std::string all;
  for (int i = 0; i < kClones; ++i) all += difference(paths.at(i), id_of(i));
  BOOST_TEST(all == "");
  json::object status = seed.caller.status("seed");
  BOOST_TEST(status.at("clones").to_number<int>() == kClones);
  BOOST_TEST(status.at("newest_clones").as_array().size() == 20U);
  BOOST_TEST(differences(before, seed.shown()) == "");
  in_parallel(kClients, [&](int client) {
    Caller caller(seed.instance.socket());
    for (int i = client; i < kClones; i += kClients) caller.unmount("seed", id_of(i));
  });
}

}  // namespace

void hold_many_clones(Ground const& ground) {
  Seed seed(ground);
  Manifest before = seed.shown();
  BOOST_REQUIRE(seed.instance.settles());
  Resources unused = seed.instance.resources();
  hold_all(seed, before);
  BOOST_REQUIRE(seed.instance.holds_no_more_than(unused));
  Resources first = seed.instance.resources();
  hold_all(seed, before);
  BOOST_REQUIRE(seed.instance.holds_no_more_than(unused));
  Resources second = seed.instance.resources();
  if (!kSanitized) BOOST_TEST(second.resident <= first.resident + kMemorySlack);
  BOOST_TEST(differences(before, seed.shown()) == "");
  for (auto const* name : {"seed", "base"}) seed.caller.remove(name);
  BOOST_TEST(seed.instance.leftovers() == "");
  BOOST_TEST(seed.instance.log().complaints() == "");
}

}  // namespace snapclone::test
