// SPDX-License-Identifier: Apache-2.0
#include "pool/format.hpp"

#include "sys/error.hpp"
#include "sys/text.hpp"

#include <map>
#include <sstream>

namespace snapclone::pool {
namespace {

constexpr char kFormat[] = "snapclone pool ";
constexpr char kInImage[] = "in an image";
constexpr unsigned kNewest = 2;

// Reads lines of a key, a space, and a value that goes on to the end of the line.
std::map<std::string, std::string> read_values(std::istream& lines) {
  std::map<std::string, std::string> all;
  for (std::string line; std::getline(lines, line);) {
    auto space = line.find(' ');
    if (space != std::string::npos) all[line.substr(0, space)] = line.substr(space + 1);
  }
  return all;
}

void write_durably(fs::path const& path, std::string const& text) {
  sys::write_file(path, text, sys::Durability::power);
  sys::sync_dir(path.parent_path());
}

}  // namespace

unsigned version_for(std::string const& backend) { return backend == "overlay" ? 2 : 1; }

PoolFormat parse_format(std::string const& text) {
  std::istringstream lines(text);
  std::string first;
  std::getline(lines, first);
  bool in_image = first == std::string(kFormat) + kInImage;
  unsigned version = 1;
  while (!in_image && version <= kNewest && first != kFormat + std::to_string(version)) ++version;
  if (version > kNewest) {
    throw std::runtime_error("says \"" + sys::excerpt(first) +
                             "\", which this version does not know: it needs the snapclone that "
                             "made the pool, or a newer one");
  }
  auto found = read_values(lines);
  std::string backend = found["backend"];
  return PoolFormat{found["identity"], backend.empty() ? "overlay" : backend, version, in_image};
}

std::string print_format(PoolFormat const& format) {
  std::string version = format.in_image ? kInImage : std::to_string(format.version);
  std::string text = kFormat + version + "\nidentity " + format.identity + "\n";
  return format.backend.empty() ? text : text + "backend " + format.backend + "\n";
}

std::optional<PoolFormat> read_format(fs::path const& pool) {
  fs::path path = pool / "format";
  if (!sys::exists(path)) return std::nullopt;
  std::string text = sys::read_file(path);
  try {
    return parse_format(text);
  } catch (std::runtime_error const& error) {
    throw std::runtime_error("the pool's format file " + path.string() + " " + error.what() +
                             "; nothing was touched");
  }
}

void write_format(fs::path const& pool, PoolFormat const& format) {
  write_durably(pool / "format", print_format(format));
}

void check_not_in_image(fs::path const& directory, fs::path const& pool) {
  auto format = read_format(directory);
  if (!format || !format->in_image) return;
  throw std::runtime_error("the volumes of the pool " + pool.string() + " lie in the image " +
                           pool.string() +
                           ".img, and it is not there: restore it, or use the plugin that had it. "
                           "If nobody needs them, remove " +
                           (pool / "format").string() + ". Nothing was touched");
}

void check_remembered(fs::path const& file, fs::path const& pool) {
  if (!sys::exists(file)) return;
  std::istringstream lines(sys::read_file(file));
  auto remembered = read_values(lines);
  std::string const& identity = remembered["identity"];
  if (identity.empty()) {
    throw std::runtime_error("the file " + file.string() +
                             " does not say which pool this plugin has used: it is damaged; if " +
                             pool.string() + " is the right one, delete the file");
  }
  auto found = sys::exists(pool) ? read_format(pool) : std::nullopt;
  if (found && found->identity == identity) return;
  std::string const host = remembered["host"];  // known to a managed plugin alone
  std::string const repair =
      host.empty() ? "its disk is not mounted, or another directory was named. Nothing was "
                     "touched, no volume is lost. If this directory shall be the pool from now "
                     "on, delete the file " +
                         file.string()
                   : "its disk is not mounted on the host, or an upgrade has reset which directory "
                     "is used. Nothing was touched, no volume is lost. With the disk mounted, put "
                     "it right with: docker plugin set snapclone pool.source=" +
                         host + " POOL=" + host + " && docker plugin enable snapclone";
  throw std::runtime_error(
      pool.string() + " is not the pool that this plugin has used so far, whose identity is " +
      identity + (found ? " (this one is " + found->identity + ")" : " (there is no pool here)") +
      ": " + repair);
}

void remember(fs::path const& file, std::string const& identity, std::string const& host_path) {
  std::string text = "identity " + identity + "\nhost " + host_path + "\n";
  if (!sys::exists(file) || sys::read_file(file) != text) write_durably(file, text);
}

}  // namespace snapclone::pool
