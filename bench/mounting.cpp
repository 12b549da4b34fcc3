// SPDX-License-Identifier: Apache-2.0
#include "bench/command.hpp"
#include "bench/data.hpp"
#include "bench/kernel.hpp"
#include "bench/samples.hpp"
#include "bench/subjects.hpp"

#include <atomic>
#include <memory>
#include <thread>

#include <unistd.h>

namespace snapclone::bench {
namespace {

constexpr std::uint64_t kMega = 1'000'000;

// The series of one data set.
struct SizeSeries {
  DataSet data;
  std::string snapshot;
  std::unique_ptr<BareClone> bare;
  Series mount{"mount", "us", data.at()};
  Series unmount{"unmount", "us", data.at()};
  Series bare_mount{"mount.kernel", "us", data.at()};
  Series bare_unmount{"unmount.kernel", "us", data.at()};
};

void measure_once(Plugin const& plugin, Caller& client, SizeSeries& series) {
  std::string id = new_mount_id();
  series.mount.values.push_back(timed_mount(client, series.snapshot, id));
  series.unmount.values.push_back(timed_unmount(client, series.snapshot, id));
  plugin.wait_for_deleter();
  series.bare_mount.values.push_back(us([&] { series.bare->mount(); }));
  series.bare_unmount.values.push_back(us([&] { series.bare->unmount(); }));
  series.bare->clean_up();
}

// What is done without clones: cp -a on the same disk, with a warm cache.
void measure_copy(Home const& home, fs::path const& tree, DataSet const& data, int times) {
  Series copy{"cp", "us", data.at()};
  fs::path target = home.path / "copied";
  for (int i = 0; i < times; ++i) {
    sync();
    copy.values.push_back(1000 * run({"cp", "-a", tree.string(), target.string()}));
    run({"rm", "-rf", target.string()});
  }
  publish(copy);
}

std::vector<DataSet> data_sets(bool quick) {
  if (quick) return {{6 * kMega, 60}, {60 * kMega, 60}, {400 * kMega, 60}, {60 * kMega, 10'000}};
  return {{6 * kMega, 60},      {60 * kMega, 60},      {600 * kMega, 60},     {4000 * kMega, 60},
          {600 * kMega, 2'000}, {600 * kMega, 20'000}, {200 * kMega, 200'000}};
}

}  // namespace

void measure_sizes(Settings const& settings) {
  Home home(settings, "sizes");
  Plugin plugin(settings.program, home.path);
  Caller client = plugin.connect();
  std::vector<SizeSeries> all;
  for (auto const& data : data_sets(settings.quick)) {
    progress("filling a volume: " + std::to_string(data.bytes / kMega) + " MB in " +
             std::to_string(data.files) + " files");
    make_snapshot(client, data.name(), data);
    fs::path tree = tree_of(plugin, data.name());
    measure_copy(home, tree, data, settings.choose(3, 1));
    auto bare = std::make_unique<BareClone>(home.path / ("bare-" + data.name()), tree);
    all.push_back({data, data.name(), std::move(bare)});
  }
  sync();
  progress("Mount and Unmount, in turns with the kernel alone");
  for (int round = 0; round < settings.choose(300, 60); ++round) {
    for (auto& series : all) measure_once(plugin, client, series);
  }
  for (auto const& series : all) {
    for (auto const* one :
         {&series.mount, &series.bare_mount, &series.unmount, &series.bare_unmount}) {
      publish(*one);
    }
  }
}

void measure_held(Settings const& settings) {
  Home home(settings, "held");
  Plugin plugin(settings.program, home.path);
  Caller client = plugin.connect();
  make_snapshot(client, "seed", {kMega, 10});
  BareClone bare(home.path / "bare", tree_of(plugin, "seed"));
  std::vector<std::size_t> steps = {0, 100, 1'000, 3'000, 10'000};
  if (settings.quick) steps = {0, 100, 1'000};
  std::vector<std::string> held;
  // Once more with none at the end: if that differs, the machine has.
  for (std::size_t step = 0; step <= steps.size(); ++step) {
    std::size_t wanted = step < steps.size() ? steps[step] : 0;
    progress("Mount with " + std::to_string(wanted) + " clones held");
    for (; held.size() < wanted; held.push_back(new_mount_id())) {
      held.push_back(new_mount_id());
      client.mount("seed", held.back());
      held.pop_back();
    }
    for (; held.size() > wanted; held.pop_back()) client.unmount("seed", held.back());
    plugin.wait_for_deleter();
    std::map<std::string, double> at = {{"clones", static_cast<double>(wanted)}};
    Series mount{"held.mount", "us", at};
    Series unmount{"held.unmount", "us", at};
    Series bare_mount{"held.kernel", "us", at};
    for (int round = 0; round < settings.choose(200, 50); ++round) {
      std::string id = new_mount_id();
      mount.values.push_back(timed_mount(client, "seed", id));
      unmount.values.push_back(timed_unmount(client, "seed", id));
      plugin.wait_for_deleter();
      bare_mount.values.push_back(us([&] { bare.mount(); }));
      bare.unmount();
      bare.clean_up();
    }
    publish(mount);
    publish(unmount);
    publish(bare_mount);
  }
}

namespace {

// How many Mounts a second `clients` manage, each as fast as it is answered.
double mounts_per_second(Plugin const& plugin, int clients, int each) {
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  std::vector<std::vector<std::string>> ids(clients);
  for (int number = 0; number < clients; ++number) {
    for (int i = 0; i < each; ++i) ids[number].push_back(new_mount_id());
    threads.emplace_back([&, number] {
      Caller client = plugin.connect();
      while (!go) std::this_thread::yield();
      for (auto const& id : ids[number]) client.mount("seed", id);
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  Stopwatch watch;
  go = true;
  for (auto& thread : threads) thread.join();
  double seconds = watch.us() / 1e6;
  Caller client = plugin.connect();
  for (auto const& some : ids) {
    for (auto const& id : some) client.unmount("seed", id);
  }
  plugin.wait_for_deleter();
  return clients * each / seconds;
}

}  // namespace

void measure_parallel(Settings const& settings) {
  Home home(settings, "parallel");
  Plugin plugin(settings.program, home.path);
  Caller client = plugin.connect();
  make_snapshot(client, "seed", {kMega, 10});
  progress("Mounts one at a time, and twelve at once");
  Series alone{"parallel.mount", "per second", {{"at once", 1}}};
  Series at_once{"parallel.mount", "per second", {{"at once", 12}}};
  int mounts = settings.choose(20, 10);
  for (int round = 0; round < settings.choose(15, 5); ++round) {
    alone.values.push_back(mounts_per_second(plugin, 1, 12 * mounts));
    at_once.values.push_back(mounts_per_second(plugin, 12, mounts));
  }
  publish(alone);
  publish(at_once);
}

}  // namespace snapclone::bench
