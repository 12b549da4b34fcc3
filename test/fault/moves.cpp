// SPDX-License-Identifier: Apache-2.0
#include "fault/moves.hpp"

#include "fault/content.hpp"
#include "fault/sampling.hpp"
#include "fault/tracer.hpp"
#include "image/image.hpp"
#include "image/loop_device.hpp"
#include "kit/leftovers.hpp"
#include "kit/manifest.hpp"
#include "kit/media.hpp"
#include "kit/program.hpp"
#include "kit/requirements.hpp"
#include "kit/world.hpp"
#include "tree/copy_tree.hpp"

#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <sys/wait.h>

namespace snapclone::test {
namespace {

using Shows = std::map<std::string, Manifest>;

// Megabytes. An image offers nothing while as much as its host has free waits to be written on the
// machine, to whatever disk.
constexpr std::uint64_t kHost = 8192;

[[noreturn]] void broken(std::string const& promise, std::string const& details) {
  throw std::runtime_error(promise + ":\n" + details);
}

// What each volume and snapshot of a pool in a directory shows.
Shows shows(World& world) {
  Shows all;
  for (auto const& volume : world.process->catalogue.all()) {
    std::string name = volume->record.name.text();
    all[name] = without_access_times(manifest(world.mount(name, "looker")));
    world.unmount(name, "looker");
  }
  return all;
}

std::string changed_volumes(Shows const& before, Shows& after) {
  std::string lines;
  for (auto const& [name, shown] : before) {
    std::string found = differences(shown, after[name]);
    if (!found.empty()) lines += name + ":\n" + found;
  }
  return lines + (before.size() == after.size() ? "" : "there are others\n");
}

void change_in(World& world, std::string const& name, void (*work)(fs::path const&)) {
  work(world.mount(name, "writer"));
  world.unmount(name, "writer");
}

// The host's file system, and on it a pool that all attempts begin with.
struct Host {
  Media media{"ext4", "", kHost};
  fs::path const model = media.path / "model";
  Shows before;

  Host() {
    fs::create_directory(model);
    World world(model, "overlay");
    world.create("db");
    change_in(world, "db", fill);
    world.snapshot("db", "s1");
    change_in(world, "db", change);
    world.create("dev", {{"clone-of", "s1"}});
    world.create("alone");
    change_in(world, "alone", fill);
    before = shows(world);
  }
};

// One pool, and runs of the program that move it.
class Mover {
 public:
  Mover(Host const& host, int number)
      : host_(host), directory_(host.media.path / std::to_string(number)) {
    fs::create_directories(pool());
    tree::copy_tree(host.model / "pool", pool());
  }
  ~Mover() {
    boost::system::error_code ignored;
    for (auto const& path : {image(), fs::path(image().string() + ".reserve")}) {
      fs::remove(path, ignored);
    }
    fs::remove_all(directory_, ignored);
  }
  Mover(Mover const&) = delete;
  Mover& operator=(Mover const&) = delete;

  // True if the fault struck.
  bool run(std::string const& where, Fault fault = {}) {
    Tracer tracer(false);
    Program program({.pool = pool(),
                     .mounts = directory_ / "mnt",
                     .socket = directory_ / "s.sock",
                     .more_arguments = {"--move-to", where, "--image", "2g"}});
    tracer.describe_all(fault.at == 0);
    tracer.arm(fault);
    program.start(&tracer);
    auto const end = std::chrono::steady_clock::now() + kPatience;
    while (!program.ended()) {
      program.wait_for(-1, 0, 20ms);
      if (std::chrono::steady_clock::now() > end) broken("it does not end", program.log());
    }
    int status = program.end();
    seen_ = tracer.seen();
    target_ = tracer.target().text;
    bool done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool said = program.log().find("not moved: ") != std::string::npos;
    if (fault.error && tracer.struck() && !done && !said) broken("it did not say why", target_);
    if (!tracer.struck() && !done) broken("it failed", program.log());
    return tracer.struck();
  }

  void check_detached() const {
    struct stat status {};
    if (lstat(image().c_str(), &status) != 0) return;
    bool gone = eventually([&] { return !image::LoopDevice::find(status); });
    if (!gone) broken("a loop device stays", target_);
  }

  void check_in_image() const {
    if (!fs::exists(image())) broken("there is no image", target_);
    if (pool::holds_trees(pool())) broken("something is left in the directory", target_);
    if (!pool::read_format(pool())->in_image) broken("the directory looks like a pool", target_);
  }

  void check_in_directory() const {
    for (auto const* beside : {".img", ".img.new", ".img.reserve", ".moving"}) {
      if (fs::exists(pool().string() + beside)) broken(std::string(beside) + " is left", target_);
    }
    World world(directory_, "overlay");
    Shows after = shows(world);
    std::string changed = changed_volumes(host_.before, after);
    if (!changed.empty()) broken("volumes show something else, after " + target_, changed);
    eventually([&] { return leftovers(pool(), directory_ / "mnt").empty(); }, 10s);
    std::string left = leftovers(pool(), directory_ / "mnt");
    if (!left.empty()) broken("something is left, after " + target_, left);
  }

  std::vector<Tracer::Seen> const& seen() const { return seen_; }

 private:
  fs::path pool() const { return directory_ / "pool"; }
  fs::path image() const { return pool().string() + ".img"; }

  Host const& host_;
  fs::path const directory_;
  std::vector<Tracer::Seen> seen_;
  std::string target_;
};

std::string opposite(std::string const& where) { return where == "image" ? "directory" : "image"; }

// The numbers of the calls that are struck: all, or of their kinds some, and every rename. Trials
// of the backends are others' subject.
std::vector<std::size_t> chosen(std::vector<Tracer::Seen> const& calls, bool everything) {
  constexpr std::size_t kShare = 3;
  std::vector<std::size_t> numbers;
  std::set<std::string> kinds;
  for (std::size_t at = 1; at <= calls.size(); ++at) {
    std::string kind = kind_of(calls[at - 1].text);
    // In the trees one call of each name is enough.
    if (kind.find("/fs") != std::string::npos) kind = kind.substr(0, kind.find(' '));
    bool trial =
        kind.find("-mounts/") != std::string::npos || kind.find("staging/*") != std::string::npos;
    bool wanted = !trial && kinds.insert(kind).second &&
                  (kind.rfind("rename", 0) == 0 || kinds.size() % kShare == 0);
    if (everything || wanted) numbers.push_back(at);
  }
  return numbers;
}

// One fault, and then the same command goes on, or the opposite one brings everything back.
bool attempt(Host const& host, int number, std::string const& where, Fault fault, bool goes_on) {
  Mover mover(host, number);
  if (where == "directory") mover.run("image");
  bool struck = mover.run(where, fault);
  mover.check_detached();
  std::string then = goes_on ? where : opposite(where);
  mover.run(then);
  mover.check_detached();
  if (then == "image") {
    mover.check_in_image();
    mover.run("directory");
  }
  mover.check_in_directory();
  return struck;
}

void faults_in(std::string const& where, bool everything) {
  Host host;
  int number = 0;
  std::vector<Tracer::Seen> calls;
  {
    Mover undisturbed(host, ++number);
    if (where == "directory") undisturbed.run("image");
    undisturbed.run(where);
    calls = undisturbed.seen();
  }
  std::size_t kills = 0;
  std::size_t failures = 0;
  std::size_t broken_promises = 0;
  for (std::size_t at : chosen(calls, everything)) {
    for (bool killed : {true, false}) {
      if (broken_promises == kMostFailures) break;
      Fault fault{at, killed ? std::nullopt : std::optional<std::size_t>(0)};
      try {
        ++number;
        bool goes_on = number / 2 % 2 == 0;
        bool struck = attempt(host, number, where, fault, goes_on);
        if (struck) ++(killed ? kills : failures);
      } catch (std::exception const& error) {
        ++broken_promises;
        BOOST_ERROR((killed ? "killed before call " : "failing in call ")
                    << at << ", " << calls[at - 1].text << ": " << error.what());
      }
    }
  }
  BOOST_TEST(kills > 20U);
  BOOST_TEST(failures > 20U);
  std::cout << "moved to " << (where == "image" ? "an image: " : "a directory: ") << calls.size()
            << " calls; " << kills << " kills; " << failures << " failures" << std::endl;
}

}  // namespace

boost::unit_test::test_suite* suite_of_moves(bool everything) {
  auto* suite = BOOST_TEST_SUITE("moving volumes");
  for (std::string const where : {"image", "directory"}) {
    auto* made = boost::unit_test::make_test_case([=] { faults_in(where, everything); },
                                                  "to " + where, __FILE__, __LINE__);
    made->add_precondition(few_failures);
    suite->add(made);
  }
  suite->add_precondition(can_make("ext4"));
  return suite;
}

}  // namespace snapclone::test
