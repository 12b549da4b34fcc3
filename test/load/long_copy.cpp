// SPDX-License-Identifier: Apache-2.0
#include "kit/plant.hpp"
#include "load/instance.hpp"
#include "load/load.hpp"
#include "sys/file.hpp"

#include <boost/filesystem/operations.hpp>
#include <boost/test/unit_test.hpp>

namespace snapclone::test {
namespace {

constexpr int kFiles = 12'000;
constexpr int kQuestions = 100;

void fill(fs::path const& root) {
  for (int i = 0; i < kFiles; ++i) {
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
  fill(caller.mount("large", "writer"));
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

}  // namespace snapclone::test
