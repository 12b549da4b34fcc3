// SPDX-License-Identifier: Apache-2.0
#include "bench/command.hpp"
#include "bench/data.hpp"
#include "bench/samples.hpp"
#include "bench/subjects.hpp"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <unistd.h>

namespace snapclone::bench {

// What a Mount costs where a clone is a copy, in turns with cp(1), which shares blocks where it
// can.
void measure_copies(Settings const& settings) {
  Home home(settings, "copies");
  Plugin plugin(settings.program, home.path, "copy");
  Caller client = plugin.connect();
  DataSet data = settings.choose(DataSet{600'000'000, 20'000}, DataSet{60'000'000, 2'000});
  progress("the copy backend on " + settings.type + ": " + std::to_string(data.files) + " files");
  make_snapshot(client, "seed", data);
  fs::path tree = tree_of(plugin, "seed");
  std::string target = (home.path / "copied").string();
  bool reflinks = settings.type != "ext4";
  Series mount{"copy." + settings.type, "ms", data.at()};
  Series bare{"copy." + settings.type + ".cp", "ms", data.at()};
  for (int round = 0; round < settings.choose(9, 3); ++round) {
    std::string id = new_mount_id();
    sync();
    mount.values.push_back(us([&] { client.mount("seed", id); }) / 1000);
    client.unmount("seed", id);
    plugin.wait_for_deleter();
    sync();
    std::string how = reflinks ? "--reflink=always" : "--reflink=never";
    bare.values.push_back(run({"cp", "-a", how, tree.string(), target}));
    run({"rm", "-rf", target});
  }
  publish(mount);
  publish(bare);
}

// What an Unmount costs while forty Mounts copy, and with nothing else to do. The engine asks Get
// before it, which says how long the answer to anything takes.
void measure_unmount_beside_copies(Settings const& settings) {
  constexpr int kCopies = 40;
  Home home(settings, "beside-copies");
  Plugin plugin(settings.program, home.path, "copy");
  Caller client = plugin.connect();
  progress("an Unmount beside " + std::to_string(kCopies) + " Mounts that copy, on " +
           settings.type);
  make_snapshot(client, "large", DataSet{60'000'000, 6'000});
  make_snapshot(client, "small", DataSet{60'000, 6});
  int const rounds = settings.choose(40, 20);
  Series idle{"copy." + settings.type + ".unmount", "us", {{"copies", kCopies}}};
  Series busy{"copy." + settings.type + ".unmount-beside", "us", {{"copies", kCopies}}};
  std::vector<std::string> ids;
  for (int i = 0; i < 2 * rounds; ++i) client.mount("small", ids.emplace_back(new_mount_id()));
  for (int i = 0; i < rounds; ++i) idle.values.push_back(timed_unmount(client, "small", ids[i]));
  plugin.wait_for_deleter();

  std::vector<std::unique_ptr<Caller>> copying;
  for (int i = 0; i < kCopies; ++i) {
    copying.push_back(std::make_unique<Caller>(plugin.connect()));
    copying.back()->send("Mount", {{"Name", "large"}, {"ID", new_mount_id()}});
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  for (int i = rounds; i < 2 * rounds && !copying.back()->answered(); ++i) {
    busy.values.push_back(timed_unmount(client, "small", ids[i]));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  for (auto const& mount : copying) mount->receive();
  if (busy.values.size() < 5) throw std::runtime_error("the copies were over too soon");
  publish(idle);
  publish(busy);
}

}  // namespace snapclone::bench
