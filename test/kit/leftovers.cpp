// SPDX-License-Identifier: Apache-2.0
#include "kit/leftovers.hpp"

#include "image/image.hpp"
#include "kit/loops.hpp"
#include "sys/host.hpp"
#include "volume/record.hpp"

#include <boost/filesystem.hpp>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

namespace snapclone::test {
namespace {

using volume::Kind;
using Names = std::set<std::string>;

constexpr std::uintmax_t kLeastReserve = 1 << 17;  // pool/pool.cpp

Names entries(fs::path const& directory) {
  auto names = sys::list_dir(directory);
  return {names.begin(), names.end()};
}

// What the records ask for, put together from nothing but them.
class Expected {
 public:
  Expected(fs::path const& pool, fs::path const& mounts, Tolerated const& tolerated)
      : pool_(pool), mounts_(mounts), tolerated_(tolerated), boot_(sys::boot_id()) {}

  std::string check() {
    look_into_records();
    check_pool();
    match("clones", pool_ / "clones", {boot_});
    match("mounts", pool_ / "mounts", {boot_});
    match("empty", pool_ / "empty", {});
    match("staging", pool_ / "staging", {});
    check_trash();
    check_layers();
    check_mount_points();
    check_image();
    return lines_;
  }

 private:
  void check_pool() {
    Names parts = {"format", "lock",   "empty",   "layers", "volumes",
                   "clones", "mounts", "staging", "trash"};
    bool reserve = fs::exists(pool_ / "reserve");
    if (reserve || !tolerated_.no_reserve) parts.insert("reserve");
    match("the pool", pool_, parts);
    if (reserve && fs::file_size(pool_ / "reserve") < kLeastReserve) {
      lines_ += "the reserve is not whole\n";
    }
  }

  void look_into_records() {
    for (auto const& name : entries(pool_ / "volumes")) {
      match("volumes/" + name, pool_ / "volumes" / name, {"volume.json"});
      auto record = volume::decode_record(sys::read_file(pool_ / "volumes" / name / "volume.json"));
      sealed_.insert(record.stack.begin(), record.stack.end());
      if (record.kind == Kind::volume) uppers_.insert(record.upper);
    }
    for (auto const& id : entries(pool_ / "clones" / boot_)) look_into_clone(id);
    for (auto const& name : entries(pool_ / "mounts" / boot_)) volume_mounts_.insert(name);
  }

  void look_into_clone(std::string const& id) {
    fs::path directory = pool_ / "clones" / boot_ / id;
    auto record = volume::decode_clone(sys::read_file(directory / "clone.json"));
    sealed_.insert(record.stack.begin(), record.stack.end());
    clones_.insert(id);
    Names in_clone = {"clone.json"};
    if (record.in_memory) {
      in_memory_.insert(id);
    } else {
      add_tree(in_clone);
    }
    match("clone " + id, directory, in_clone);
  }

  // A tree that is written: overlayfs needs a work directory beside it.
  void add_tree(Names& names) const {
    names.insert("fs");
    if (layered()) names.insert("work");
  }
  bool layered() const {
    return sys::read_file(pool_ / "format").find("backend overlay") != std::string::npos;
  }

  void check_layers() {
    Names all = sealed_;
    all.insert(uppers_.begin(), uppers_.end());
    match("layers", pool_ / "layers", all);
    for (auto const& layer : all) {
      Names in_layer = {"fs"};
      bool work = tolerated_.work && fs::exists(pool_ / "layers" / layer / "work");
      if (work || uppers_.count(layer) != 0) add_tree(in_layer);
      if (tolerated_.held && !layered() && fs::exists(pool_ / "layers" / layer / "held")) {
        in_layer.insert("held");
      }
      match("layer " + layer, pool_ / "layers" / layer, in_layer);
    }
  }

  void check_trash() {
    Names kept;
    for (auto const& name : entries(pool_ / "trash")) {
      // Overlayfs can be asked about everything but clones in memory, of which nothing is here.
      bool provable = layered() && fs::exists(pool_ / "trash" / name / "fs");
      if (!tolerated_.held || provable || !fs::exists(pool_ / "trash" / name / "held")) continue;
      kept.insert(name);
      fs::path record = pool_ / "trash" / name / "clone.json";
      if (!fs::exists(record)) continue;
      auto clone = volume::decode_clone(sys::read_file(record));
      sealed_.insert(clone.stack.begin(), clone.stack.end());
    }
    match("trash", pool_ / "trash", kept);
  }

  // Of one that is being made nothing is left, and one that is there is attached once.
  void check_image() {
    image::ImageFiles const files(pool_);
    if (sys::exists(files.made)) lines_ += files.made.string() + " is left over\n";
    if (!sys::exists(files.image)) return;
    std::size_t devices = loops_with(files.image).size();
    if (devices == 1) return;
    lines_ += std::to_string(devices) + " loop devices have " + files.image.string() + "\n";
  }

  void check_mount_points() {
    match("mount points", mounts_, {"clones", "memory", "volumes", "views", "trial", "probes"});
    match("mount points of clones", mounts_ / "clones", clones_);
    match("clones in memory", mounts_ / "memory", in_memory_);
    match("mount points of volumes", mounts_ / "volumes", volume_mounts_);
    match("views", mounts_ / "views", {});
    match("trials", mounts_ / "trial", {});
    match("probes", mounts_ / "probes", {});
    std::multiset<std::string> wanted = {mounts_.string()};
    if (sys::exists(image::ImageFiles(pool_).image)) wanted.insert(pool_.string());
    for (auto const& id : clones_) wanted.insert((mounts_ / "clones" / id).string());
    for (auto const& id : in_memory_) wanted.insert((mounts_ / "memory" / id).string());
    for (auto const& name : volume_mounts_) wanted.insert((mounts_ / "volumes" / name).string());
    auto found = mounted();
    if (found == wanted) return;
    for (auto const& path : found) {
      if (wanted.count(path) < found.count(path)) lines_ += path + " is mounted\n";
    }
    for (auto const& path : wanted) {
      if (found.count(path) < wanted.count(path)) lines_ += path + " is not mounted\n";
    }
  }

  // What is mounted on or below the pool and the mount points.
  std::multiset<std::string> mounted() const {
    std::multiset<std::string> paths;
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);) {
      std::istringstream fields(line);
      std::string path;
      for (int i = 0; i < 5; ++i) fields >> path;
      for (auto const& root : {mounts_.string(), pool_.string()}) {
        if (path == root || path.rfind(root + "/", 0) == 0) paths.insert(path);
      }
    }
    return paths;
  }

  void match(std::string const& what, fs::path const& directory, Names const& wanted) {
    Names found = entries(directory);
    for (auto const& name : found) {
      if (wanted.count(name) == 0) lines_ += what + " has \"" + name + "\" left over\n";
    }
    for (auto const& name : wanted) {
      if (found.count(name) == 0) lines_ += what + " lacks \"" + name + "\"\n";
    }
  }

  fs::path const pool_;
  fs::path const mounts_;
  Tolerated const tolerated_;
  std::string const boot_;
  std::string lines_;
  Names sealed_;
  Names uppers_;
  Names clones_;
  Names in_memory_;
  Names volume_mounts_;
};

}  // namespace

std::string leftovers(fs::path const& pool, fs::path const& mounts, Tolerated const& tolerated) {
  try {
    return Expected(pool, mounts, tolerated).check();
  } catch (std::exception const& error) {
    return std::string(error.what()) + "\n";  // something is just being moved, or is damaged
  }
}

bool all_is_deleted(fs::path const& pool, fs::path const& mounts) {
  return sys::is_empty_dir(pool / "trash") && sys::is_empty_dir(mounts / "probes");
}

std::map<std::string, std::size_t> heights(fs::path const& pool) {
  std::map<std::string, std::size_t> all;
  for (auto const& name : entries(pool / "volumes")) {
    auto record = volume::decode_record(sys::read_file(pool / "volumes" / name / "volume.json"));
    all[name] = record.stack.size() + (record.kind == Kind::volume ? 1 : 0);
  }
  all[""] = entries(pool / "layers").size();
  return all;
}

}  // namespace snapclone::test
