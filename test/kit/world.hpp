// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/space.hpp"
#include "kit/reboot.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"
#include "volume/refusal.hpp"
#include "volume/store.hpp"

#include <boost/filesystem.hpp>
#include <boost/test/unit_test.hpp>

#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// What the tests of volume/ and backend/ stand on: a pool on a tmpfs, and the plugin without its
// socket. restart() is what a crash and a new process amount to.
namespace snapclone::test {

namespace fs = boost::filesystem;
using volume::RawOptions;
using Lines = std::vector<std::string>;

class Disk {
 public:
  // A tmpfs of its own.
  Disk() : path(fs::temp_directory_path() / fs::unique_path("snapclone-%%%%%%%%")), own_(true) {
    fs::create_directory(path);
    sys::mount_tmpfs(path, "size=64m,mode=0755");
  }
  explicit Disk(fs::path directory) : path(std::move(directory)), own_(false) {}
  ~Disk() {
    if (!own_) return;
    sys::unmount(path);
    fs::remove(path);
  }
  Disk(Disk const&) = delete;
  Disk& operator=(Disk const&) = delete;
  fs::path const path;

 private:
  bool const own_;
};

// An image that a pool lies in, and where that is mounted.
struct InImage {
  image::MountedImage image;
  fs::path mount_point;
};

// The Store on a pool below a directory, open. `parts` is what it is made of.
struct Process {
  Process(fs::path const& disk, std::string const& backend_name, volume::Turns::Execute execute,
          std::optional<InImage> const& in_image = {}, bool checks_room = true)
      : space(space_of(in_image)),
        store(pool::Pool(disk / "pool"),
              {.mounts = disk / "mnt",
               .backend = backend_name,
               .image = in_image ? std::optional(in_image->image) : std::nullopt,
               .image_space = space && checks_room ? &*space : nullptr,
               .settle = std::chrono::milliseconds(40)},
              std::move(execute)) {
    store.open();
  }
  std::optional<image::Space> space;  // of the image
  volume::Store store;
  pool::Pool& pool = store.parts().pool;
  volume::MountPoints& points = store.parts().points;
  backend::Backend& backend = store.parts().backend;
  volume::Catalogue& catalogue = store.parts().catalogue;
  volume::Trash& trash = store.parts().trash;

 private:
  // As Daemon does, it bounds the image before anything is written to it.
  static std::optional<image::Space> space_of(std::optional<InImage> const& in_image) {
    if (!in_image) return std::nullopt;
    return std::optional<image::Space>(std::in_place, in_image->image.file, in_image->mount_point,
                                       in_image->image.reserved);
  }
};

struct World {
  Disk disk;
  std::string const backend_name;
  std::optional<InImage> const in_image;
  bool checks_room = true;  // Create looks at the image's room first; from the next start on
  // The jobs of the Store run at once, unless they are kept until run_jobs().
  bool keeps_jobs = false;
  std::deque<std::function<void()>> jobs;
  std::function<void(std::function<void()>)> run_elsewhere;  // if the test has threads for them
  std::unique_ptr<Process> process;

  World() : backend_name("overlay") { start(); }
  World(fs::path const& directory, std::string backend, std::optional<InImage> image = {})
      : disk(directory), backend_name(std::move(backend)), in_image(std::move(image)) {
    start();
  }
  ~World() {
    process.reset();
    unmount_all();
  }

  void start() {
    auto execute = [this](volume::Lane, std::function<void()> job) {
      if (keeps_jobs) return jobs.push_back(std::move(job));
      run_elsewhere ? run_elsewhere(std::move(job)) : job();
    };
    process = std::make_unique<Process>(disk.path, backend_name, execute, in_image, checks_room);
  }
  void run_jobs() {
    while (!jobs.empty()) {
      auto job = std::move(jobs.front());
      jobs.pop_front();
      job();
    }
  }
  void restart() {
    process.reset();
    start();
  }
  // As `plugin disable -f` does: everything is unmounted, and no Unmount ever comes.
  void restart_without_mounts() {
    process.reset();
    unmount_all();
    start();
  }
  void unmount_all() const { test::unmount_all(disk.path / "mnt"); }

  fs::path pool() const { return disk.path / "pool"; }

  void create(std::string const& name, RawOptions const& options = {}) {
    volume::CreateRequest request{volume::VolumeName(name), volume::parse_options(options)};
    wait<void>([&](auto done) { process->store.create(request, done); });
  }
  void snapshot(std::string const& source, std::string const& name) {
    create(name, {{"snapshot-of", source}});
  }
  void remove(std::string const& name) {
    wait<void>([&](auto done) { process->store.remove(volume::VolumeName(name), done); });
  }
  volume::Mounted mounted(std::string const& name, std::string const& id) {
    return wait<volume::Mounted>([&](auto done) {
      process->store.mount(volume::VolumeName(name), volume::MountId(id), done);
    });
  }
  fs::path mount(std::string const& name, std::string const& id) { return mounted(name, id).path; }
  void unmount(std::string const& name, std::string const& id) {
    wait<void>([&](auto done) {
      process->store.unmount(volume::VolumeName(name), volume::MountId(id), done);
    });
  }
  void take_back(std::string const& name, std::string const& id, std::uint64_t serial) {
    wait<void>([&](auto done) {
      process->store.take_back(volume::VolumeName(name), volume::MountId(id), serial, done);
    });
  }
  // Nothing if there is no such volume.
  volume::VolumePtr find(std::string const& name) const {
    return process->catalogue.find(volume::VolumeName(name));
  }

  // A volume with a file, not mounted.
  void create_with(std::string const& name, std::string const& file, std::string const& text) {
    create(name);
    write(mount(name, "writer") / file, text);
    unmount(name, "writer");
  }

  static void write(fs::path const& path, std::string const& text) {
    std::ofstream(path.string()) << text;
  }
  static std::string read(fs::path const& path) { return sys::read_file(path); }

  // The content of a file in a volume, or in a new clone of a snapshot.
  std::string content(std::string const& name, std::string const& file) {
    std::string text = read(mount(name, "reader") / file);
    unmount(name, "reader");
    return text;
  }

  static std::size_t entries(fs::path const& directory) { return sys::list_dir(directory).size(); }

  // After the deleter has done what it could.
  std::size_t layers() const {
    process->trash.wait();
    return entries(pool() / "layers");
  }
  std::size_t trash() const {
    process->trash.wait();
    return entries(pool() / "trash");
  }
  std::size_t live_clones(std::string const& name) const {
    return process->catalogue.number_of_clones(volume::VolumeName(name));
  }

 private:
  // What a verb returns or throws. Another thread may run it, which has its turn before.
  template <class T, class Verb>
  static T wait(Verb const& verb) {
    std::promise<volume::Store::Result<T>> told;
    verb([&](volume::Store::Result<T> const& result) { told.set_value(result); });
    return told.get_future().get().value();
  }
};

// The sentence with which a Refusal is thrown; "" if nothing is.
template <class Work>
std::string refusal(Work const& work) {
  try {
    work();
  } catch (volume::Refusal const& refused) {
    return refused.what();
  }
  return "";
}

inline bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace snapclone::test
