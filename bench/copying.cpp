// SPDX-License-Identifier: Apache-2.0
#include "bench/command.hpp"
#include "bench/data.hpp"
#include "bench/samples.hpp"
#include "bench/subjects.hpp"

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

}  // namespace snapclone::bench
