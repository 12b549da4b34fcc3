// SPDX-License-Identifier: Apache-2.0
#include "kit/plant.hpp"
#include "load/instance.hpp"
#include "load/load.hpp"
#include "sys/file.hpp"
#include "sys/host.hpp"

#include <boost/filesystem/operations.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <memory>
#include <vector>

namespace snapclone::test {
namespace {

constexpr int kFiles = 12'000;
constexpr int kFilesOfEach = 2'000;  // so that forty copies have room
constexpr int kQuestions = 100;
constexpr std::size_t kCopies = 40;
constexpr std::size_t kAtOnce = 16;  // plugin/daemon.cpp: threads for slow verbs

void fill(fs::path const& root, int files) {
  for (int i = 0; i < files; ++i) {
    if (i % 200 == 0) fs::create_directory(root / std::to_string(i / 200));
    plant_file(root / std::to_string(i / 200) / std::to_string(i), "text");
  }
}

}  // namespace

// By order, not by time: the copy's answer comes after a hundred others to questions that were
// asked when it was under way.
void look_during_a_copy(Ground const& ground) {
  Instance instance(ground);
  Caller caller(instance.socket());
  caller.create("large");
  fill(caller.mount("large", "writer"), kFiles);
  caller.unmount("large", "writer");
  caller.create("small");
  caller.create("seed", {{"snapshot-of", "small"}});

  Caller copying(instance.socket());
  copying.send("Create", {{"Name", "copy"}, {"Opts", {{"snapshot-of", "large"}}}});
  BOOST_TEST(eventually([&] { return !sys::list_dir(instance.pool() / "staging").empty(); }));
  for (int i = 0; i < kQuestions; ++i) {
    for (auto const* name : {"large", "small", "seed"}) caller.get(name);
    BOOST_TEST(caller.must("List", {}).body.at("Volumes").as_array().size() == 3U);
  }
  BOOST_TEST(!caller.ask("Get", {{"Name", "copy"}}).ok());
  // What takes another turn goes on as well.
  caller.mount("seed", "one");
  caller.unmount("seed", "one");
  BOOST_TEST(!copying.answered());
  BOOST_TEST(copying.receive().ok());
  BOOST_TEST(caller.must("List", {}).body.at("Volumes").as_array().size() == 4U);
}

// By order as well. If all verbs shared 32 threads, the Unmount would wait in the queue behind
// forty Mounts, until nine of them have ended.
void unmount_beside_copies(Ground const& ground) {
  Instance instance(ground);
  Caller caller(instance.socket());
  caller.create("large");
  fill(caller.mount("large", "writer"), kFilesOfEach);
  caller.unmount("large", "writer");
  caller.create("small");
  caller.create("seed", {{"snapshot-of", "small"}});
  caller.create("large-seed", {{"snapshot-of", "large"}});
  caller.mount("seed", "one");

  std::vector<std::unique_ptr<Caller>> copying;
  for (std::size_t i = 0; i < kCopies; ++i) {
    copying.push_back(std::make_unique<Caller>(instance.socket()));
    copying.back()->send("Mount", {{"Name", "large-seed"}, {"ID", "copy" + std::to_string(i)}});
  }
  fs::path clones = instance.pool() / "clones" / sys::boot_id();
  BOOST_TEST(eventually([&] { return sys::list_dir(clones).size() >= kAtOnce; }));
  caller.unmount("seed", "one");
  auto ended = std::count_if(copying.begin(), copying.end(),
                             [](auto const& mount) { return mount->answered(); });
  BOOST_TEST(ended < 9);
  for (auto const& mount : copying) BOOST_TEST(mount->receive().ok());
}

}  // namespace snapclone::test
