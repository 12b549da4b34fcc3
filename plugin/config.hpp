// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <stdexcept>
#include <string>

namespace snapclone {

// What the process is told at its start. A flag wins over the environment.
struct Config {
  boost::filesystem::path socket;   // --socket, SNAPCLONE_SOCKET
  boost::filesystem::path pool;     // --pool, SNAPCLONE_POOL
  boost::filesystem::path mounts;   // --mounts, SNAPCLONE_MOUNTS; <pool>/mnt unless told otherwise
  boost::filesystem::path pool_id;  // --pool-id; nothing unless told
  std::string backend;              // --backend, BACKEND; chosen by trial unless told
  std::string pool_on_host;         // POOL; for sentences
  std::string notify_socket;        // NOTIFY_SOCKET, of systemd
  std::string log_level = "info";   // --log-level, LOG_LEVEL
  boost::filesystem::path metrics;  // --metrics-file; nothing unless --metrics or METRICS is "on"
  bool show_help = false;
  bool show_version = false;
};

// A flag or setting whose value is not known; what() says which ones are.
struct BadValue : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A command line that cannot be used; what() says why.
struct BadUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The only code that reads the environment. Paths are made absolute and normal.
Config read_config(int argc, char const* const* argv);

std::string help_text();

}  // namespace snapclone
