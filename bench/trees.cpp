// SPDX-License-Identifier: Apache-2.0
#include "bench/command.hpp"
#include "bench/data.hpp"
#include "bench/samples.hpp"
#include "bench/subjects.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"

#include <boost/filesystem/operations.hpp>

#include <functional>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace snapclone::bench {
namespace {

constexpr DataSet kFiles{20'000'000, 5'000};
constexpr int kFilesInPackage = 10;

using Put = std::function<void(fs::path const& from, fs::path const& to)>;

void hard_link(fs::path const& from, fs::path const& to) { fs::create_hard_link(from, to); }

void share_blocks(fs::path const& from, fs::path const& to) {
  sys::Fd source(open(from.c_str(), O_RDONLY | O_CLOEXEC));
  sys::Fd target(open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (source.get() < 0 || target.get() < 0) sys::fail("open", to.string());
  if (ioctl(target.get(), FICLONE, source.get()) != 0) {
    sys::fail("share the blocks of", from.string());
  }
}

// A node_modules as pnpm makes it out of its store, which is the data set here: packages of ten
// files each, and a link to each package. pnpm makes hard links, or shares blocks if it can.
void install(fs::path const& store, Put const& put) {
  fs::path const modules = store / "node_modules";
  for (unsigned first = 0; first < kFiles.files; first += kFilesInPackage) {
    std::string const name = "package-" + std::to_string(first);
    fs::path const inside = fs::path(".pnpm") / (name + "@1.0.0") / "node_modules" / name;
    fs::create_directories(modules / inside);
    for (unsigned number = first; number < first + kFilesInPackage; ++number) {
      put(file_of(store, number), modules / inside / std::to_string(number));
    }
    fs::create_symlink(inside, modules / name);
  }
}

struct Work {
  std::string name;
  std::function<void(fs::path const& clone)> work;
};

void chown_all(fs::path const& clone) { run({"chown", "-R", "1", clone.string()}); }

void link_all(fs::path const& clone) {
  std::string const script = "cd \"$1\" && mkdir linked && cp -al dir-* linked";
  run({"sh", "-c", script, "sh", clone.string()});
}

}  // namespace

// Each in a clone of its own, since what the one before has copied would be there already.
void measure_image_trees(Settings const& settings) {
  Home home(settings, "image-trees");
  Plugin directory(settings.program, home.path / "directory");
  Plugin image(settings.program, home.path / "image", "", kInImage);
  progress("5,000 small files in an image, in turns with " + settings.type);
  for (Plugin const* plugin : {&directory, &image}) {
    Caller client = plugin->connect();
    make_snapshot(client, "seed", kFiles);
  }
  auto measure = [](Plugin const& plugin, Work const& work, Series& series) {
    Caller client = plugin.connect();
    std::string id = new_mount_id();
    fs::path clone = client.mount("seed", id);
    sync();
    series.values.push_back(us([&] { work.work(clone); }) / 1000);
    client.unmount("seed", id);
    plugin.wait_for_deleter();
  };
  Work const with_links{"install", [](fs::path const& clone) { install(clone, hard_link); }};
  Work const with_reflinks{"install.reflinks",
                           [](fs::path const& clone) { install(clone, share_blocks); }};
  std::map<std::string, double> const at = kFiles.at();
  for (Work const& work : {Work{"chown", chown_all}, Work{"links", link_all}, with_links}) {
    Series in_image{"image." + work.name, "ms", at};
    Series in_directory{"image." + work.name + ".directory", "ms", at};
    for (int round = 0; round < settings.choose(9, 2); ++round) {
      measure(directory, work, in_directory);
      measure(image, work, in_image);
    }
    publish(in_image);
    publish(in_directory);
  }
  Series shared{"image." + with_reflinks.name, "ms", at};
  for (int round = 0; round < settings.choose(9, 2); ++round) measure(image, with_reflinks, shared);
  publish(shared);
}

}  // namespace snapclone::bench
