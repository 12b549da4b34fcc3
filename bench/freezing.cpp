// SPDX-License-Identifier: Apache-2.0
#include "bench/command.hpp"
#include "bench/data.hpp"
#include "bench/samples.hpp"
#include "bench/subjects.hpp"
#include "sys/file.hpp"

#include <fstream>

#include <stdio.h>
#include <unistd.h>

namespace snapclone::bench {
namespace {

constexpr std::uint64_t kMega = 1'000'000;

// What has to reach the disk for a snapshot that survives a power cut, and nothing else: the file
// system with the new upper, the volume's record, and the snapshot's.
void bare_freeze(fs::path const& home, std::string const& record) {
  auto durably = sys::Durability::power;
  fs::path layer = home / "layer";
  for (auto const& path : {layer, layer / "fs", layer / "work"}) sys::make_dir(path);
  sys::sync_filesystem(sys::open_dir(home).get());
  sys::write_file(home / "volume" / "volume.json", record, durably);
  sys::sync_dir(home / "volume");
  sys::make_dir(home / "staged");
  sys::write_file(home / "staged" / "volume.json", record, durably);
  sys::sync_dir(home / "staged");
  sys::rename_new(home / "staged", home / "snapshot");
  sys::sync_dir(home);
}

struct Freezing {
  Plugin const& plugin;
  Caller& client;
  fs::path bare;
  fs::path others;  // where somebody else's dirty data goes

  // Makes a writable volume that begins as `seed` and has a change, and nothing dirty but that.
  void prepare(std::string const& seed) {
    client.create("work", {{"clone-of", seed}});
    std::string id = new_mount_id();
    std::ofstream((client.mount("work", id) / "changed").string()) << "changed";
    client.unmount("work", id);
    for (auto const* name : {"layer", "volume", "snapshot"})
      run({"rm", "-rf", (bare / name).string()});
    sys::make_dir(bare / "volume");
    plugin.wait_for_deleter();
    sync();
  }

  void dirty(std::uint64_t bytes) {
    run({"rm", "-rf", others.string()});
    sync();
    if (bytes == 0) return;
    sys::make_dir(others);
    fill(others, {bytes, 10});
  }

  void drop() {
    client.remove("frozen");
    client.remove("work");
  }
};

// The series of one volume, with so many bytes of somebody else that are not on the disk yet.
struct FreezeSeries {
  FreezeSeries(DataSet const& set, std::uint64_t bytes) : data(set), dirty(bytes) {
    for (auto* series : {&snapshot, &bare}) {
      series->at = data.at();
      series->at["dirty"] = static_cast<double>(dirty);
    }
  }

  DataSet data;
  std::uint64_t dirty;
  Series snapshot{"snapshot", "ms", {}};
  Series bare{"snapshot.fsyncs", "ms", {}};
};

void measure_once(Freezing& freezing, FreezeSeries& series) {
  fs::path record = freezing.plugin.pool() / "volumes" / series.data.name() / "volume.json";
  std::string text = sys::read_file(record);
  freezing.prepare(series.data.name());
  freezing.dirty(series.dirty);
  series.snapshot.values.push_back(us([&] {
                                     freezing.client.create("frozen", {{"snapshot-of", "work"}});
                                   }) /
                                   1000);
  freezing.dirty(series.dirty);
  series.bare.values.push_back(us([&] { bare_freeze(freezing.bare, text); }) / 1000);
  freezing.drop();
}

}  // namespace

void measure_snapshots(Settings const& settings) {
  Home home(settings, "snapshots");
  Plugin plugin(settings.program, home.path);
  Caller client = plugin.connect();
  Freezing freezing{plugin, client, home.path / "bare", home.path / "others"};
  sys::make_dir(freezing.bare);
  DataSet one{kMega, 1};
  DataSet many = settings.choose(DataSet{200 * kMega, 200'000}, DataSet{20 * kMega, 10'000});
  for (auto const& data : {one, many}) {
    progress("filling a volume: " + std::to_string(data.files) + " files");
    make_snapshot(client, data.name(), data);
  }
  progress("snapshots of an idle volume, in turns with the bare fsyncs");
  FreezeSeries small{one, 0};
  FreezeSeries large{many, 0};
  FreezeSeries dirty{one, settings.choose(200, 50) * kMega};
  for (int round = 0; round < settings.choose(40, 10); ++round) {
    measure_once(freezing, small);
    measure_once(freezing, large);
  }
  for (int round = 0; round < settings.choose(10, 3); ++round) measure_once(freezing, dirty);
  for (auto const* series : {&small, &large, &dirty}) {
    publish(series->snapshot);
    publish(series->bare);
  }
}

}  // namespace snapclone::bench
