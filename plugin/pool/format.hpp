// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <optional>
#include <string>

namespace snapclone::pool {

namespace fs = boost::filesystem;

// A pool's file `format`, one line each:
//   snapclone pool 1
//   identity abcdefgh23456723
//   backend btrfs
// The oldest pools have the first line alone; overlay made them.
struct PoolFormat {
  std::string identity;
  std::string backend;  // what made its trees

  bool operator==(PoolFormat const&) const = default;
};

// The file's text and back. Throws std::runtime_error that says what is wrong with the text.
PoolFormat parse_format(std::string const& text);
std::string print_format(PoolFormat const& format);

// Nothing if there is no pool in that directory yet. Throws for a format that this version does not
// know. Changes nothing.
std::optional<PoolFormat> read_format(fs::path const& pool);

// Durable, as a whole or not at all.
void write_format(fs::path const& pool, PoolFormat const& format);

// If the pool is a directory of the host, the plugin remembers which pool it is, in a file apart
// from it. An upgrade silently resets the directory to the plugin's default, and before its disk is
// mounted it is another directory, too. With the wrong pool the engine would take the volumes for
// deleted.
//
// check_remembered() throws if `file` names another pool than the one in the directory, and says
// how to put that right. It changes nothing. `host_path` is the pool's path on the host, "" if
// unknown.
void check_remembered(fs::path const& file, fs::path const& pool);
void remember(fs::path const& file, std::string const& identity, std::string const& host_path);

}  // namespace snapclone::pool
