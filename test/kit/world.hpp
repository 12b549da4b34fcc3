// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/overlay.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"
#include "tree/remove_tree.hpp"
#include "volume/recovery.hpp"
#include "volume/volumes.hpp"

#include <boost/filesystem.hpp>
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// What the tests of volume/ and clone/ stand on: a pool on a tmpfs, and the plugin without its
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

using BackendMaker =
    std::function<std::unique_ptr<backend::Backend>(pool::Pool&, volume::MountPoints const&)>;

inline std::unique_ptr<backend::Backend> overlay_backend(pool::Pool& pool,
                                                         volume::MountPoints const& points) {
  pool.set_backend("overlay");
  return std::make_unique<backend::OverlayBackend>(pool, points.probes());
}

struct Process {
  Process(fs::path const& disk, BackendMaker const& make)
      : pool(disk / "pool"), points(disk / "mnt"), owned_backend(make(pool, points)) {
    volume::recover(pool, points, catalogue, mounts, trash);
    trash.start();
  }
  pool::Pool pool;
  volume::MountPoints points;
  std::unique_ptr<backend::Backend> owned_backend;
  backend::Backend& backend = *owned_backend;
  volume::Catalogue catalogue{pool};
  volume::Trash trash{pool, points, backend, catalogue};
  volume::Mounts mounts{pool, points, backend, catalogue, trash, std::chrono::milliseconds(40)};
  volume::Volumes volumes{pool, points, backend, catalogue, mounts, trash};
};

struct World {
  Disk disk;
  BackendMaker const make;
  std::unique_ptr<Process> process;

  World() : make(overlay_backend), process(std::make_unique<Process>(disk.path, make)) {}
  World(fs::path const& directory, BackendMaker maker)
      : disk(directory),
        make(std::move(maker)),
        process(std::make_unique<Process>(disk.path, make)) {}
  ~World() {
    process.reset();
    unmount_all();
  }

  void restart() {
    process.reset();
    process = std::make_unique<Process>(disk.path, make);
  }
  // As `plugin disable -f` does: everything is unmounted, and no Unmount ever comes.
  void restart_without_mounts() {
    process.reset();
    unmount_all();
    process = std::make_unique<Process>(disk.path, make);
  }
  void unmount_all() const {
    fs::path mnt = disk.path / "mnt";
    for (auto const* kind : {"clones", "memory", "volumes"}) {
      if (!fs::exists(mnt / kind)) continue;
      for (auto const& entry : fs::directory_iterator(mnt / kind)) {
        if (sys::is_mounted(entry.path())) sys::unmount(entry.path());
      }
    }
    if (sys::is_mounted(mnt)) sys::unmount(mnt);
  }

  fs::path pool() const { return disk.path / "pool"; }

  void create(std::string const& name, RawOptions const& options = {}) {
    auto& volumes = process->volumes;
    volumes.create(name, options, volumes.turns_of_create(name, options));
  }
  void snapshot(std::string const& source, std::string const& name) {
    create(name, {{"snapshot-of", source}});
  }
  void remove(std::string const& name) { process->volumes.remove(name); }
  fs::path mount(std::string const& name, std::string const& id) {
    return process->mounts.mount(name, id).path;
  }
  void unmount(std::string const& name, std::string const& id) {
    process->mounts.unmount(name, id);
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
    return process->catalogue.clones_of(name).size();
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
