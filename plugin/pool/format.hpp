// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <optional>
#include <string>

namespace snapclone::pool {

namespace fs = boost::filesystem;

// The content of the pool's file `format`, one line each:
//   snapclone pool 2
//   identity abcdefgh23456723
//   backend overlay
// The oldest pools have only the first line, with a 1, and are overlay's.
struct PoolFormat {
  std::string identity = {};
  std::string backend = {};  // the one that made its trees
  // 2: a file of a layer may have its content in a layer below (metacopy). A plugin that only knows
  // 1 could not read such a file, and refuses the pool.
  unsigned version = 1;
  // The first line is "snapclone pool in an image": the volumes lie in an image, and this is the
  // empty directory that it is mounted on. Where the image cannot be seen (an older plugin,
  // another mount, a file that was lost) the directory would be taken for an empty pool, and the
  // engine would take the volumes for deleted. So it is none.
  bool in_image = false;

  bool operator==(PoolFormat const&) const = default;
};

// The version of a pool that this plugin uses with the backend.
unsigned version_for(std::string const& backend);

// The file's text and back. Throws std::runtime_error that says what is wrong with the text.
PoolFormat parse_format(std::string const& text);
std::string print_format(PoolFormat const& format);

// Returns nothing if there is no pool in the directory yet. Throws for a format that this version
// does not know. Changes nothing.
std::optional<PoolFormat> read_format(fs::path const& pool);

// Durable, as a whole or not at all.
void write_format(fs::path const& pool, PoolFormat const& format);

// Throws if the directory is one whose volumes lie in an image. `pool` is its path, for the
// sentence.
void check_not_in_image(fs::path const& directory, fs::path const& pool);
inline void check_not_in_image(fs::path const& pool) { check_not_in_image(pool, pool); }

// A plugin whose pool is a directory of the host remembers the pool's identity in a file outside
// the pool. An upgrade silently resets that directory to the plugin's default, and before its disk
// is mounted the directory is another one, too: the engine would take the volumes for deleted.
//
// Throws, with a sentence that says how to put it right, if `file` names a pool and another one, or
// none, is in the directory. Changes nothing. `host_path` is the pool's path on the host, if known.
void check_remembered(fs::path const& file, fs::path const& pool);
void remember(fs::path const& file, std::string const& identity, std::string const& host_path);

}  // namespace snapclone::pool
