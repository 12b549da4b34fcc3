// SPDX-License-Identifier: Apache-2.0
#include "power/days.hpp"

#include "kit/plant.hpp"
#include "sys/error.hpp"

#include <boost/filesystem/operations.hpp>

#include <fstream>
#include <future>

#include <fcntl.h>
#include <sys/stat.h>

namespace snapclone::test {

// One of everything but large files, which would make every cut slow.
void fill(fs::path const& root) {
  write_at(root / "large", 0, 150'000);
  plant_special_files(root, false);
  plant_hard_links(root);
  plant_attributes(root, false);
  fs::create_directories(root / "work" / "inner");
  for (auto const* name : {"first", "second", "log", "gone", "marked", "inner/third"}) {
    plant_file(root / "work" / name, std::string(3000, *name));
  }
  plant_times(root);
}

// Something that was there is replaced, cut, extended, moved and deleted, and something new is
// made. Files with several names are left alone: an overlay breaks them at their first write
// (docs/limits.md).
void change(fs::path const& root, unsigned number) {
  std::string const name = "new-" + std::to_string(number);
  fs::create_directory(root / name);
  plant_file(root / name / "file", std::string(number % 7 * 5000, 'n'));
  mark(root / name, "user.number", std::to_string(number));
  if (!fs::exists(root / "work")) return;
  plant_file(root / "work" / ".temporary", name);
  fs::rename(root / "work" / ".temporary", root / "work" / "first");
  fs::resize_file(root / "work" / "second", number * 1000 % 9000);
  std::ofstream((root / "work" / "log").string(), std::ios::app) << std::string(20'000, 'l');
  // Overlayfs marks such a file, and copies its content when it is written to later.
  fs::path const marked = root / "work" / "marked";
  if (chmod(marked.c_str(), 0600 + number % 64) != 0) sys::fail("change", "marked");
  if (number % 2 == 0) std::ofstream(marked.string(), std::ios::app) << name;
  bool moves = number % 2 == 0 && fs::exists(root / "work" / "inner");
  if (moves) fs::rename(root / "work" / "inner", root / name / "inner");
  fs::remove(root / "work" / "gone");  // the first time
  if (chmod((root / "work").c_str(), 0700 + number % 8) != 0) sys::fail("change", "work");
}

// A container that runs for a moment.
void use(History& history, std::string const& name, unsigned number) {
  change(history.enter(name, "user"), number);
  history.write_synced(name, "user", "synced-" + std::to_string(number));
  history.leave(name, "user");
}

namespace {

void spend_ordinarily(History& history) {
  history.create("db");
  fill(history.enter("db", "first"));
  history.write_synced("db", "first", "work/synced");
  history.leave("db", "first");
  history.create("seed", {{"snapshot-of", "db"}});
  use(history, "db", 1);
  history.create("second", {{"snapshot-of", "db"}, {"target", "/data"}});
  history.create("unchanged", {{"snapshot-of", "db"}});

  history.create("dev", {{"clone-of", "seed"}});
  use(history, "dev", 2);
  history.create("copy", {{"clone-of", "db"}});

  change(history.enter("seed", "running"), 3);
  history.create("kept", {{"snapshot-of", "seed@running"}});
  history.create("kept-dev", {{"clone-of", "seed@running"}});
  sys::Fd held(open((history.enter("seed", "held") / "large").c_str(), O_RDONLY | O_CLOEXEC));
  history.leave("seed", "held");  // it cannot be deleted yet
  history.leave("seed", "running");
  history.create("memory", {{"snapshot-of", "seed"}, {"medium", "memory"}, {"size", "16m"}});
  change(history.enter("memory", "light"), 4);
  history.create("kept-memory", {{"snapshot-of", "memory@light"}});
  history.leave("memory", "light");

  change(history.enter("db", "server"), 5);
  history.create("live", {{"snapshot-of", "db"}, {"live", "true"}});
  change(history.enter("db", "server"), 6);
  history.create("live-dev", {{"clone-of", "db"}, {"live", "true"}});

  history.create("again", {{"snapshot-of", "live"}});
  history.remove("second");
  history.remove("copy");
  history.create("second", {{"snapshot-of", "dev"}});
  history.remove("seed");
  history.remove("dev");

  change(history.enter("db", "server"), 7);
  change(history.enter("kept", "left"), 8);
}

// One thread's part of a busy day. Nothing here may be Boost.Test's, which knows one thread only.
std::vector<Lifetime> spend_busily(Machine& machine, std::string const& person) {
  History history(machine);
  std::string const db = person + "-db";
  history.create(db);
  for (unsigned round = 1; round <= 3; ++round) {
    std::string const number = std::to_string(round);
    use(history, db, round);
    history.create(db + number, {{"snapshot-of", db}});
    change(history.enter(db + number, person), 10 + round);
    history.create(person + "-kept" + number, {{"snapshot-of", db + number + "@" + person}});
    history.create(person + "-dev" + number, {{"clone-of", db + number}});
    history.leave(db + number, person);
    if (round == 2) history.remove(db + "1");
  }
  history.remove(person + "-dev1");
  return history.lifetimes();
}

}  // namespace

Recording spent(Ground const& ground,
                std::function<void(Machine& machine, Recording& recording)> const& spend) {
  Recording recording{ground, formatted(ground), {}, {}, 0};
  Machine machine(ground, recording.start);
  spend(machine, recording);
  recording.changes = machine.disk.changes();
  return recording;
}

Recording ordinary_day(Ground const& ground) {
  return spent(ground, [](Machine& machine, Recording& recording) {
    History history(machine);
    spend_ordinarily(history);
    recording.lifetimes = history.lifetimes();
  });
}

Recording busy_day(Ground const& ground) {
  return spent(ground, [](Machine& machine, Recording& recording) {
    std::vector<std::future<std::vector<Lifetime>>> people;
    for (auto const* person : {"ann", "bob", "cid", "dot"}) {
      people.push_back(std::async(std::launch::async, spend_busily, std::ref(machine), person));
    }
    for (auto& person : people) {
      for (auto& lifetime : person.get()) recording.lifetimes.push_back(std::move(lifetime));
    }
  });
}

Recording day_of_a_high_stack(Ground const& ground) {
  return spent(ground, [](Machine& machine, Recording& recording) {
    History history(machine);
    history.create("db");
    fill(history.enter("db", "user"));
    history.leave("db", "user");
    for (unsigned round = 1; round <= 52; ++round) {
      std::string const name = "snapshot-" + std::to_string(round);
      use(history, "db", round);
      if (round == 49) recording.begin = machine.disk.now();
      history.create(name, {{"snapshot-of", "db"}});
      if (round < 49) history.remove(name);
    }
    recording.lifetimes = history.lifetimes();
  });
}

}  // namespace snapclone::test
