// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "power/disk.hpp"
#include "volume/policy.hpp"

#include <boost/json.hpp>

#include <map>
#include <string>

namespace snapclone::test {

using volume::RawOptions;

// Where a pool lies, and what makes its trees.
struct Ground {
  std::string name;        // the test suite's
  std::string filesystem;  // as mount(8) calls it
  std::string backend;
};

// The program that is shipped, as a process of its own that is asked over its socket. Everything
// throws std::runtime_error, with the plugin's sentence if it has one, when it does not succeed.
class Plugin {
 public:
  // Begins another boot, and waits until it has recovered.
  Plugin(fs::path const& pool, fs::path const& scratch, std::string const& backend);
  ~Plugin();  // as kill -9 does; what it has mounted is unmounted
  Plugin(Plugin const&) = delete;
  Plugin& operator=(Plugin const&) = delete;

  void create(std::string const& name, RawOptions const& options) const;
  void remove(std::string const& name) const;
  fs::path mount(std::string const& name, std::string const& mount_id) const;
  void unmount(std::string const& name, std::string const& mount_id) const;

  // The Status of everything in List.
  std::map<std::string, boost::json::object> statuses() const;

  std::string log() const;

 private:
  boost::json::object ask(std::string const& verb, boost::json::object const& request) const;
  void wait_until_it_answers();
  void stop();

  fs::path const scratch_;
  fs::path const mounts_;
  fs::path const socket_;
  int process_ = 0;
};

// A directory for a while.
struct Scratch {
  Scratch();
  ~Scratch();
  Scratch(Scratch const&) = delete;
  Scratch& operator=(Scratch const&) = delete;
  fs::path const path;
};

// The file system of a disk, mounted for a while.
struct FileSystem {
  FileSystem(std::string const& type, std::string const& device, fs::path const& target);
  ~FileSystem();
  FileSystem(FileSystem const&) = delete;
  FileSystem& operator=(FileSystem const&) = delete;
  fs::path const path;
};

// A machine with one disk: the disk is recorded, its file system mounted, and snapclone runs with
// a pool there. Its end is that of the power.
struct Machine {
  Machine(Ground const& ground, Image const& image);

  Ground const& ground;
  Scratch scratch;
  Disk disk;
  FileSystem file_system;
  fs::path const pool;
  Plugin plugin;
};

// A disk with an empty file system.
Image formatted(std::string const& filesystem);

}  // namespace snapclone::test
