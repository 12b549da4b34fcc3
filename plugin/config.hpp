// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace snapclone {

// What the process is told at its start. A flag wins over the environment. An unknown value is an
// error on the command line; in the environment, where a managed plugin has its settings, it only
// earns a warning, and the default is used.
struct Config {
  boost::filesystem::path socket;   // --socket, SNAPCLONE_SOCKET; not needed to move
  boost::filesystem::path pool;     // --pool, SNAPCLONE_POOL
  boost::filesystem::path mounts;   // --mounts, SNAPCLONE_MOUNTS; <pool>/mnt unless told otherwise
  boost::filesystem::path pool_id;  // --pool-id; nothing unless told
  std::string backend;              // --backend, BACKEND; "": select_backend() chooses
  std::string pool_on_host;         // POOL; for sentences
  bool image = false;               // --image, IMAGE, --image-default: not "off"
  std::uint64_t image_size = 0;     // the same: in bytes; 0: "on"
  bool image_reserve = false;       // --image-reserve, IMAGE_RESERVE
  bool all_devices = false;         // --image-default, of the variant that Docker gives all devices
  std::string move_to;              // --move-to: "image" or "directory"; "": serve
  std::string notify_socket;        // NOTIFY_SOCKET, of systemd
  std::string log_level = "info";   // --log-level, LOG_LEVEL: one that set_log_level() knows
  std::chrono::milliseconds prune_pause = std::chrono::seconds(20);  // --prune-pause
  boost::filesystem::path metrics;    // --metrics-file; nothing unless --metrics or METRICS is "on"
  std::vector<std::string> warnings;  // sentences for the log
  bool show_help = false;
  bool show_version = false;
};

// A value that cannot be used; what() says why, and which ones can.
struct BadValue : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A command line that cannot be used; what() says why.
struct BadUsage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The only code that reads the environment. Paths are made absolute and normal. Throws BadValue or
// BadUsage.
Config read_config(int argc, char const* const* argv);

std::string help_text();

}  // namespace snapclone
