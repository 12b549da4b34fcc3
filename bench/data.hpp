// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bench/plugin.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace snapclone::bench {

// Files of one size, a hundred in a directory, with content that cannot be compressed.
struct DataSet {
  std::uint64_t bytes;
  unsigned files;

  std::map<std::string, double> at() const {
    return {{"bytes", static_cast<double>(bytes)}, {"files", static_cast<double>(files)}};
  }
  std::string name() const { return "s" + std::to_string(bytes) + "-" + std::to_string(files); }
};

void fill(fs::path const& directory, DataSet const& data);

// Where fill() puts a data set's files.
fs::path file_of(fs::path const& directory, unsigned number);
inline fs::path first_file(fs::path const& directory) { return file_of(directory, 0); }

// Opens a file for writing, which copies it in a clone, and overwrites its first block.
void write_a_block(fs::path const& path);

// Makes a volume with the data, and of it the snapshot `name`.
void make_snapshot(Caller& client, std::string const& name, DataSet const& data);

// The directory on the disk that holds what a snapshot shows, if it was made by make_snapshot().
fs::path tree_of(Plugin const& plugin, std::string const& snapshot);

}  // namespace snapclone::bench
