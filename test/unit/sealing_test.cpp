// SPDX-License-Identifier: Apache-2.0
#include "api/dispatch.hpp"
#include "kit/world.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json.hpp>

#include <future>
#include <random>
#include <thread>

namespace snapclone::test {
namespace {

namespace json = boost::json;

// The plugin as its socket sees it, on a pool of threads.
struct Plugin : World {
  boost::asio::thread_pool workers{8};
  api::Metrics metrics;
  api::Dispatch dispatch{process->store, metrics};

  Plugin() {
    run_elsewhere = [this](std::function<void()> job) {
      boost::asio::post(workers, std::move(job));
    };
  }
  ~Plugin() { workers.join(); }

  json::object ask(std::string const& verb, json::object const& request) {
    std::promise<std::string> body;
    dispatch.handle("/VolumeDriver." + verb, json::serialize(request),
                    [&](api::Reply reply) { body.set_value(std::move(reply.body)); });
    return json::parse(body.get_future().get()).as_object();
  }
  // An Unmount is answered before all of it is done.
  std::size_t trash() const {
    while (!process->store.idle()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return World::trash();
  }
  static bool failed(json::object const& reply) { return !reply.at("Err").as_string().empty(); }

  // Everything in the sealed layers of a snapshot, read below the overlay.
  std::string sealed(std::string const& name) const {
    std::string all;
    for (auto const& layer : find(name)->record.stack) {
      std::map<std::string, std::string> files;
      for (auto const& entry : fs::directory_iterator(process->pool.tree(layer))) {
        files[entry.path().filename().string()] = read(entry.path());
      }
      all += layer + ":";
      for (auto const& [file, text] : files) all += file + "=" + text + ";";
    }
    return all;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sealing, Plugin)

// Writers mount a volume, write and unmount it, while others make snapshots of it. If a Mount came
// between the proof that the volume is idle and its sealing, a writer would write into a layer that
// a snapshot has by then.
BOOST_AUTO_TEST_CASE(no_write_ever_reaches_a_sealed_layer) {
  constexpr int kRounds = 40;
  ask("Create", {{"Name", "db"}});
  std::atomic<bool> sealing{true};
  std::atomic<int> writes{0};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < 3; ++writer) {
    threads.emplace_back([this, writer, &sealing, &writes] {
      json::object request{{"Name", "db"}, {"ID", "writer" + std::to_string(writer)}};
      for (int round = 0; sealing; ++round) {
        auto mounted = ask("Mount", request);
        if (failed(mounted)) throw std::runtime_error(json::serialize(mounted));
        fs::path path(mounted.at("Mountpoint").as_string().c_str());
        std::string file = "file" + std::to_string(writer) + "-" + std::to_string(round % 3);
        for (int i = 0; i < 20; ++i) write(path / file, std::to_string(++writes));
        ask("Unmount", request);
        std::this_thread::sleep_for(std::chrono::microseconds(500 * (writer + round % 4)));
      }
    });
  }
  std::map<std::string, std::string> seals;
  int refused = 0;
  for (int round = 0; static_cast<int>(seals.size()) < kRounds; ++round) {
    std::string name = "seed" + std::to_string(round);
    auto made = ask("Create", {{"Name", name}, {"Opts", {{"snapshot-of", "db"}}}});
    if (failed(made)) {
      ++refused;
    } else {
      seals[name] = sealed(name);
    }
  }
  sealing = false;
  for (auto& thread : threads) thread.join();
  for (auto const& [name, before] : seals) BOOST_TEST(sealed(name) == before);
  BOOST_TEST(writes > kRounds);
  BOOST_TEST_MESSAGE(refused << " snapshots were refused, " << writes << " writes");
}

BOOST_AUTO_TEST_CASE(a_snapshot_cannot_be_removed_while_a_mount_of_it_begins) {
  ask("Create", {{"Name", "db"}});
  std::minstd_rand random(3);
  for (int round = 0; round < 100; ++round) {
    ask("Create", {{"Name", "seed"}, {"Opts", {{"snapshot-of", "db"}}}});
    auto mounted = std::async(std::launch::async, [&] {
      return ask("Mount", {{"Name", "seed"}, {"ID", "id"}});
    });
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
    bool removed = !failed(ask("Remove", {{"Name", "seed"}}));
    bool live = !failed(mounted.get());
    BOOST_TEST((removed != live || !live));
    ask("Unmount", {{"Name", "seed"}, {"ID", "id"}});
    if (!removed) BOOST_TEST(!failed(ask("Remove", {{"Name", "seed"}})));
  }
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_CASE(many_clones_of_one_snapshot_are_made_at_once_and_are_isolated) {
  create_with("db", "file", "sealed");
  snapshot("db", "seed");
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int client = 0; client < 32; ++client) {
    threads.emplace_back([this, client, &right] {
      std::string id = "id" + std::to_string(client);
      for (int round = 0; round < 5; ++round) {
        auto mounted = ask("Mount", {{"Name", "seed"}, {"ID", id}});
        fs::path path(mounted.at("Mountpoint").as_string().c_str());
        bool pristine = read(path / "file") == "sealed" && entries(path) == 1;
        write(path / "file", id);
        write(path / id, id);
        if (pristine && read(path / "file") == id) ++right;
        ask("Unmount", {{"Name", "seed"}, {"ID", id}});
      }
    });
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(right == 32 * 5);
  BOOST_TEST(trash() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
