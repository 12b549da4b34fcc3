// SPDX-License-Identifier: Apache-2.0
#include "bench/data.hpp"
#include "bench/echo.hpp"
#include "bench/kernel.hpp"
#include "bench/samples.hpp"
#include "bench/subjects.hpp"
#include "sys/file.hpp"
#include "sys/host.hpp"
#include "volume/record.hpp"

#include <boost/filesystem/operations.hpp>

namespace snapclone::bench {
namespace {

std::string numbered(unsigned number) { return "volume-" + std::to_string(number); }

// Puts volumes into the pool of a plugin that does not run: what Create makes, without its syncing.
void plant_volumes(Plugin const& plugin, unsigned from, unsigned to) {
  for (unsigned number = from; number < to; ++number) {
    volume::Record record{.name = volume::VolumeName(numbered(number))};
    record.upper = sys::random_id();
    record.created = sys::now_rfc3339();
    fs::path layer = plugin.pool() / "layers" / record.upper;
    fs::path home = plugin.pool() / "volumes" / record.name.text();
    sys::make_dir(layer);
    sys::make_dir(layer / "fs", 0755);
    sys::make_dir(layer / "work");
    sys::make_dir(home);
    sys::write_file(home / "volume.json", volume::encode(record), sys::Durability::process);
  }
}

void make_seed(Plugin const& plugin) {
  Caller client = plugin.connect();
  make_snapshot(client, "seed", {1'000'000, 10});
}

// The answers that come from memory, in turns with an exchange of as many bytes with a thread that
// does nothing.
void measure_answers(Plugin const& plugin, unsigned volumes, int rounds) {
  std::map<std::string, double> at = {{"volumes", static_cast<double>(volumes)}};
  Series gets{"get", "us", at};
  Series echoes{"get.echo", "us", at};
  Series lists{"list", "us", at};
  Series list_echoes{"list.echo", "us", at};
  Caller client = plugin.connect();
  std::size_t get_size = client.call("Get", R"({"Name":"seed"})").size();
  std::size_t list_size = client.call("List", "{}").size();
  Echo echo(get_size);
  Echo list_echo(list_size);
  for (int round = 0; round < 20 * rounds; ++round) {
    gets.values.push_back(us([&] { client.get("seed"); }));
    echoes.values.push_back(us([&] { echo.exchange(); }));
  }
  for (int round = 0; round < rounds; ++round) {
    lists.values.push_back(us([&] { client.call("List", "{}"); }));
    list_echoes.values.push_back(us([&] { list_echo.exchange(); }));
  }
  for (auto const* series : {&gets, &echoes, &lists, &list_echoes}) publish(*series);
}

void measure_mounts(Plugin const& plugin, unsigned volumes, int rounds) {
  Caller client = plugin.connect();
  BareClone bare(plugin.pool().parent_path() / "bare", tree_of(plugin, "seed"));
  std::map<std::string, double> at = {{"volumes", static_cast<double>(volumes)}};
  Series mount{"crowd.mount", "us", at};
  Series bare_mount{"crowd.kernel", "us", at};
  for (int round = 0; round < rounds; ++round) {
    std::string id = new_mount_id();
    mount.values.push_back(timed_mount(client, "seed", id));
    client.unmount("seed", id);
    plugin.wait_for_deleter();
    bare_mount.values.push_back(us([&] { bare.mount(); }));
    bare.unmount();
    bare.clean_up();
  }
  publish(mount);
  publish(bare_mount);
}

// How long until the socket accepts, and until what was asked first is answered: requests wait for
// the recovery.
void measure_start(Plugin& plugin, std::string const& name, std::map<std::string, double> const& at,
                   int times, bool mounted) {
  Series accept{name + ".accept", "ms", at};
  Series answer{name + ".answer", "ms", at};
  for (int i = 0; i < times; ++i) {
    std::vector<std::string> ids(static_cast<std::size_t>(at.at("clones")));
    Caller client = plugin.connect();
    for (auto& id : ids) {
      id = new_mount_id();
      client.mount("seed", id);
    }
    plugin.kill();
    if (!mounted) plugin.take_down();
    Stopwatch watch;
    accept.values.push_back(plugin.start());
    Caller again = plugin.connect();
    again.get("seed");
    answer.values.push_back(watch.ms());
    for (auto const& id : ids) again.unmount("seed", id);
    plugin.wait_for_deleter();
  }
  publish(accept);
  publish(answer);
}

// What a recovery cannot do without: reading the records.
void measure_reading(Plugin const& plugin, std::map<std::string, double> const& at, int times) {
  Series reading{"start.reading", "ms", at};
  for (int i = 0; i < times; ++i) {
    reading.values.push_back(us([&] {
                               for (auto const& name : sys::list_dir(plugin.pool() / "volumes")) {
                                 sys::read_file(plugin.pool() / "volumes" / name / "volume.json");
                               }
                             }) /
                             1000);
  }
  publish(reading);
}

}  // namespace

void measure_crowd(Settings const& settings) {
  Home home(settings, "crowd");
  Plugin plugin(settings.program, home.path);
  make_seed(plugin);
  int starts = settings.choose(7, 3);
  std::vector<unsigned> steps = {10, 100, 1'000, 10'000};
  unsigned there = 0;
  measure_start(plugin, "start", {{"volumes", 0}, {"clones", 0}}, starts, true);
  for (unsigned wanted : steps) {
    progress(std::to_string(wanted) + " volumes: Get, List, Mount, memory");
    plugin.end();
    plant_volumes(plugin, there, wanted);
    there = wanted;
    plugin.start();
    Caller client = plugin.connect();
    client.get("seed");
    publish(
        {"memory.volumes", "kB", {{"volumes", static_cast<double>(wanted)}}, {plugin.resident()}});
    measure_answers(plugin, wanted, settings.choose(50, 20));
    measure_mounts(plugin, wanted, settings.choose(200, 50));
  }
  double clones = settings.choose(1000, 200);
  progress("starting with " + std::to_string(there) + " volumes, and clones to recover");
  std::map<std::string, double> at = {{"volumes", static_cast<double>(there)}, {"clones", clones}};
  measure_start(plugin, "start", at, starts, true);
  measure_start(plugin, "start.unmounted", at, starts, false);
  measure_reading(plugin, at, starts);
}

void measure_memory(Settings const& settings) {
  Home home(settings, "memory");
  Plugin plugin(settings.program, home.path);
  make_seed(plugin);
  plugin.end();
  plugin.start();
  Caller client = plugin.connect();
  client.get("seed");
  publish({"memory.idle", "kB", {}, {plugin.resident()}});
  int pairs = settings.choose(100'000, 5'000);
  progress("memory: " + std::to_string(pairs) + " Mounts and Unmounts");
  for (int done = 0; done <= pairs; ++done) {
    if (done % (pairs / 10) == 0) {
      plugin.wait_for_deleter();
      publish({"memory.pairs", "kB", {{"pairs", static_cast<double>(done)}}, {plugin.resident()}});
    }
    std::string id = new_mount_id();
    client.mount("seed", id);
    client.unmount("seed", id);
  }
}

}  // namespace snapclone::bench
