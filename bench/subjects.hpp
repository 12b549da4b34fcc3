// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/plugin.hpp"

#include <string>

// What is measured, one function a subject. Each starts a plugin of its own in a new directory on
// the disk, publishes its series, and leaves nothing behind. Whatever is compared is measured in
// turns, so that a machine that gets slower for a while is so for both.
namespace snapclone::bench {

struct Settings {
  fs::path program;    // the plugin's
  fs::path disk;       // a directory on the file system to measure
  std::string type;    // of the file system, for the series
  bool quick = false;  // smaller, and fewer of each

  // The first of two numbers, or in a hurry the second.
  template <class Number>
  Number choose(Number full, Number in_a_hurry) const {
    return quick ? in_a_hurry : full;
  }
};

void measure_sizes(Settings const& settings);     // Mount and Unmount, by bytes and files
void measure_held(Settings const& settings);      // Mount, by clones that live meanwhile
void measure_parallel(Settings const& settings);  // Mounts at once
void measure_crowd(Settings const& settings);  // Get, List, Mount, memory and the start, by volumes
void measure_memory(Settings const& settings);         // idle, and after many Mounts
void measure_snapshots(Settings const& settings);      // of an idle volume
void measure_first_write(Settings const& settings);    // to a large file in a clone
void measure_owner_changes(Settings const& settings);  // of many small files of a snapshot
void measure_commits(Settings const& settings);        // of a database in a clone
void measure_copies(Settings const& settings);         // Mount with the copy backend
void measure_unmount_beside_copies(Settings const& settings);
void measure_image_mounts(Settings const& settings);       // in an image, and without one
void measure_image_first_write(Settings const& settings);  // to large files, with cold caches
void measure_image_cache(Settings const& settings);        // that reading a file takes
void measure_image_trees(Settings const& settings);        // chown, links: many small files

// A directory on the disk for one subject; gone with the object.
class Home {
 public:
  Home(Settings const& settings, std::string const& subject);
  ~Home();
  Home(Home const&) = delete;
  Home& operator=(Home const&) = delete;

  fs::path const path;
};

}  // namespace snapclone::bench
