// SPDX-License-Identifier: Apache-2.0
#include "bench/command.hpp"
#include "bench/data.hpp"
#include "bench/samples.hpp"
#include "bench/subjects.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"

#include <fstream>

#include <fcntl.h>
#include <unistd.h>

namespace snapclone::bench {
namespace {

constexpr std::uint64_t kMega = 1'000'000;

// As many transactions of one row each, which sqlite syncs one by one.
fs::path make_script(fs::path const& path, int commits) {
  std::ofstream script(path.string());
  script << "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, text TEXT);\n";
  for (int i = 0; i < commits; ++i) script << "INSERT INTO t(text) VALUES('row');\n";
  return path;
}

}  // namespace

void measure_first_write(Settings const& settings) {
  Home home(settings, "first-write");
  Plugin plugin(settings.program, home.path);
  Caller client = plugin.connect();
  DataSet data{settings.choose(1000, 200) * kMega, 1};
  progress("the first write to a file of " + std::to_string(data.bytes / kMega) + " MB on " +
           settings.type);
  make_snapshot(client, "seed", data);
  fs::path plain = home.path / "plain";
  sys::make_dir(plain);
  fill(plain, data);
  sync();
  std::map<std::string, double> at = {{"bytes", static_cast<double>(data.bytes)}};
  Series first{"first-write." + settings.type, "us", at};
  Series bare{"first-write." + settings.type + ".plain", "us", at};
  for (int round = 0; round < settings.choose(20, 5); ++round) {
    std::string id = new_mount_id();
    fs::path clone = client.mount("seed", id);
    first.values.push_back(us([&] { write_a_block(first_file(clone)); }));
    bare.values.push_back(us([&] { write_a_block(first_file(plain)); }));
    client.unmount("seed", id);
    plugin.wait_for_deleter();
  }
  publish(first);
  publish(bare);
}

// chown -R of all files, in a clone, in a volume made with clone-of, and in a volume of which there
// is a snapshot since its last change.
void measure_owner_changes(Settings const& settings) {
  Home home(settings, "owners");
  Plugin plugin(settings.program, home.path);
  Caller client = plugin.connect();
  DataSet const data{20 * kMega, 5000};
  progress("chown -R of 5,000 files on " + settings.type);
  make_snapshot(client, "seed", data);
  fs::path plain = home.path / "plain";
  sys::make_dir(plain);
  fill(plain, data);
  Series in_clone{"owner.clone", "ms", {}};
  Series in_volume{"owner.clone-of", "ms", {}};
  Series in_frozen{"owner.frozen", "ms", {}};
  Series bare{"owner.plain", "ms", {}};
  for (Series* series : {&in_clone, &in_volume, &in_frozen, &bare})
    series->name += "." + settings.type;
  for (int round = 1; round <= settings.choose(10, 3); ++round) {
    std::string const number = std::to_string(round);
    auto measure = [&](Series& series, fs::path const& directory) {
      sync();
      series.values.push_back(run({"chown", "-R", number, directory.string()}));
    };
    auto measure_mounted = [&](Series& series, std::string const& name) {
      std::string id = new_mount_id();
      measure(series, client.mount(name, id));
      client.unmount(name, id);
      plugin.wait_for_deleter();
    };
    client.create("dev", {{"clone-of", "seed"}});
    client.create("frozen" + number, {{"snapshot-of", "seed-source"}});
    measure_mounted(in_clone, "seed");
    measure(bare, plain);
    measure_mounted(in_volume, "dev");
    measure_mounted(in_frozen, "seed-source");
    client.remove("dev");
    plugin.wait_for_deleter();
  }
  for (Series const* series : {&in_clone, &in_volume, &in_frozen, &bare}) publish(*series);
}

// A local volume is a directory of the disk: there the database is made anew for each round, as it
// is in a clone.
void measure_commits(Settings const& settings) {
  Home home(settings, "commits");
  Plugin plugin(settings.program, home.path);
  Caller client = plugin.connect();
  make_snapshot(client, "seed", {kMega, 10});
  int commits = settings.choose(500, 100);
  progress("sqlite commits on " + settings.type);
  std::string script = make_script(home.path / "script", commits).string();
  fs::path plain = home.path / "plain";
  sys::make_dir(plain);
  Series in_clone{"commits.clone", "per second", {}};
  Series in_volume{"commits.local", "per second", {}};
  for (int round = 0; round < settings.choose(10, 3); ++round) {
    std::string id = new_mount_id();
    std::string database = (client.mount("seed", id) / "db").string();
    in_clone.values.push_back(1000 * commits / run({"sqlite3", database}, script));
    client.unmount("seed", id);
    database = (plain / std::to_string(round)).string();
    in_volume.values.push_back(1000 * commits / run({"sqlite3", database}, script));
  }
  publish(in_clone);
  publish(in_volume);
}

}  // namespace snapclone::bench
