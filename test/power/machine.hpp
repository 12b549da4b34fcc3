// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/ground.hpp"
#include "kit/program.hpp"
#include "power/disk.hpp"

#include <string>

namespace snapclone::test {

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

// Lets go of the image of a pool at its end, if there is one.
struct PoolImage {
  explicit PoolImage(fs::path directory) : pool(std::move(directory)) {}
  ~PoolImage();
  PoolImage(PoolImage const&) = delete;
  PoolImage& operator=(PoolImage const&) = delete;
  fs::path const pool;
};

// A machine with one disk: the disk is recorded, its file system mounted, and snapclone runs with
// a pool there. The power ends with the object.
struct Machine {
  // Begins another boot, and waits until snapclone has recovered. Throws if it does not.
  Machine(Ground const& ground, Image const& image);

  Ground const& ground;
  Scratch scratch;
  Disk disk;
  FileSystem file_system;
  PoolImage pool_image;
  Program program;
};

// A disk with an empty file system.
Image formatted(Ground const& ground);

}  // namespace snapclone::test
