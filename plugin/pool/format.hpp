// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <optional>
#include <string>

namespace snapclone::pool {

namespace fs = boost::filesystem;

// What a pool says of itself, in its file `format`, one line each:
//   snapclone pool 1
//   identity abcdefgh23456723
//   backend btrfs
// Pools that were made before the lines after the first existed have none, and are overlay's.
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

// A plugin whose pool is a directory of the host keeps in a file of its own, apart from the pool,
// which pool that is: an upgrade resets the directory silently to the plugin's default, and before
// its disk is mounted it is another one as well. The engine would take the volumes for deleted.
//
// Throws, with the sentence that says how to put it right, if `file` names a pool and that is not
// the one in the directory. Changes nothing. `host_path` is where the pool lies on the host, as far
// as is known.
void check_remembered(fs::path const& file, fs::path const& pool);
void remember(fs::path const& file, std::string const& identity, std::string const& host_path);

}  // namespace snapclone::pool
