// SPDX-License-Identifier: Apache-2.0
#include "bench/samples.hpp"
#include "bench/subjects.hpp"

#include <boost/filesystem/operations.hpp>

#include <functional>
#include <iostream>
#include <map>

#include <sys/mount.h>
#include <sys/stat.h>

namespace snapclone::bench {
namespace {

std::map<std::string, std::function<void(Settings const&)>> const& subjects() {
  static std::map<std::string, std::function<void(Settings const&)>> const all = {
      {"sizes", measure_sizes},
      {"held", measure_held},
      {"parallel", measure_parallel},
      {"crowd", measure_crowd},
      {"memory", measure_memory},
      {"snapshots", measure_snapshots},
      {"first-write", measure_first_write},
      {"owners", measure_owner_changes},
      {"commits", measure_commits},
      {"copies", measure_copies},
      {"beside-copies", measure_unmount_beside_copies},
      {"image-mounts", measure_image_mounts},
      {"image-first-write", measure_image_first_write},
      {"image-cache", measure_image_cache},
      {"image-trees", measure_image_trees},
  };
  return all;
}

int usage() {
  std::cerr << "usage: snapclone_bench SUBJECT PROGRAM DIR TYPE [--quick]\n"
               "       measures build/snapclone (PROGRAM) in DIR, on a file system of TYPE\n"
               "       snapclone_bench mounts|hold SOCKET SNAPSHOT NUMBER\n"
               "       measures Mounts of a plugin that runs; or mounts, and unmounts at the end "
               "of input\n"
               "It prints one JSON object a series; bench/run does all of it. Subjects:";
  for (auto const& [name, measure] : subjects()) std::cerr << " " << name;
  std::cerr << "\n";
  return 2;
}

void measure_mounts(fs::path const& socket, std::string const& snapshot, int number) {
  Caller client(socket);
  Series mount{"engine.mount", "us", {}};
  for (int i = 0; i < number; ++i) {
    std::string id = new_mount_id();
    mount.values.push_back(timed_mount(client, snapshot, id));
    client.unmount(snapshot, id);
  }
  publish(mount);
}

void hold_clones(fs::path const& socket, std::string const& snapshot, int number) {
  Caller client(socket);
  std::vector<std::string> ids;
  for (int i = 0; i < number; ++i) {
    ids.push_back(new_mount_id());
    client.mount(snapshot, ids.back());
  }
  std::cout << "held" << std::endl;
  std::cin.get();
  for (auto const& id : ids) client.unmount(snapshot, id);
}

int main(int argc, char** argv) {
  bool quick = argc == 6 && argv[5] == std::string("--quick");
  if (argc != 5 && !quick) return usage();
  std::string name = argv[1];
  auto subject = subjects().find(name);
  if (subject == subjects().end() && name != "mounts" && name != "hold") return usage();
  umask(0);
  try {
    if (name == "mounts") {
      measure_mounts(argv[2], argv[3], std::stoi(argv[4]));
    } else if (name == "hold") {
      hold_clones(argv[2], argv[3], std::stoi(argv[4]));
    } else {
      subject->second({argv[2], argv[3], argv[4], quick});
    }
  } catch (std::exception const& error) {
    std::cerr << "bench: " << name << ": " << error.what() << "\n";
    return 1;
  }
  return 0;
}

}  // namespace

Home::Home(Settings const& settings, std::string const& subject)
    : path(settings.disk / ("bench-" + subject)) {
  fs::create_directories(path);
}

// What cannot be removed, such as a subvolume, goes with the disk.
Home::~Home() {
  boost::system::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace snapclone::bench

int main(int argc, char** argv) { return snapclone::bench::main(argc, argv); }
