// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"

#include <boost/filesystem/operations.hpp>

#include <cstdlib>
#include <optional>
#include <string_view>

namespace snapclone {
namespace {

namespace fs = boost::filesystem;

std::string from_environment(char const* name) {
  char const* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The value of "--name value" or "--name=value"; advances `i` over it.
std::optional<std::string> value_of(std::string_view name, int argc, char const* const* argv,
                                    int& i) {
  std::string_view argument = argv[i];
  if (argument == name) {
    if (i + 1 == argc) throw BadUsage(std::string(name) + " needs a value");
    return argv[++i];
  }
  if (argument.substr(0, name.size()) == name && argument.substr(name.size(), 1) == "=") {
    return std::string(argument.substr(name.size() + 1));
  }
  return std::nullopt;
}

fs::path normal(std::string const& path) {
  fs::path absolute = fs::absolute(path).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

bool is_on(std::string const& what, std::string const& value) {
  if (value.empty() || value == "off") return false;
  if (value == "on") return true;
  throw BadValue(what + "=" + value + " is not known: use on or off");
}

}  // namespace

Config read_config(int argc, char const* const* argv) {
  Config config;
  std::string socket = from_environment("SNAPCLONE_SOCKET");
  std::string pool = from_environment("SNAPCLONE_POOL");
  std::string mounts = from_environment("SNAPCLONE_MOUNTS");
  std::string level = from_environment("LOG_LEVEL");
  std::string pool_id;
  std::string metrics = from_environment("METRICS");
  std::string metrics_file;
  config.backend = from_environment("BACKEND");
  config.pool_on_host = from_environment("POOL");
  config.notify_socket = from_environment("NOTIFY_SOCKET");
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      config.show_help = true;
    } else if (argument == "--version") {
      config.show_version = true;
    } else if (auto value = value_of("--socket", argc, argv, i)) {
      socket = *value;
    } else if ((value = value_of("--pool", argc, argv, i))) {
      pool = *value;
    } else if ((value = value_of("--mounts", argc, argv, i))) {
      mounts = *value;
    } else if ((value = value_of("--pool-id", argc, argv, i))) {
      pool_id = *value;
    } else if ((value = value_of("--metrics", argc, argv, i))) {
      metrics = *value;
    } else if ((value = value_of("--metrics-file", argc, argv, i))) {
      metrics_file = *value;
    } else if ((value = value_of("--backend", argc, argv, i))) {
      config.backend = *value;
    } else if ((value = value_of("--log-level", argc, argv, i))) {
      level = *value;
    } else {
      throw BadUsage("unknown argument \"" + std::string(argument) + "\"");
    }
  }
  if (config.show_help || config.show_version) return config;
  if (socket.empty()) throw BadUsage("--socket is missing: where should the engine find us?");
  if (pool.empty()) throw BadUsage("--pool is missing: where should the volumes be kept?");
  config.socket = normal(socket);
  config.pool = normal(pool);
  config.mounts = mounts.empty() ? config.pool / "mnt" : normal(mounts);
  if (!pool_id.empty()) config.pool_id = normal(pool_id);
  if (!level.empty()) config.log_level = level;
  if (is_on("METRICS", metrics)) {
    config.metrics = metrics_file.empty() ? config.mounts.parent_path() / "metrics/snapclone.prom"
                                          : normal(metrics_file);
  }
  return config;
}

std::string help_text() {
  return R"(snapclone: a Docker volume plugin whose snapshots give every mount its own clone

usage: snapclone --socket PATH --pool DIR [--mounts DIR] [--backend NAME] [--log-level LEVEL]

  --socket PATH       unix socket to serve the volume plugin protocol on
                      (/run/docker/plugins/snapclone.sock makes it the driver "snapclone")
  --pool DIR          where volumes, snapshots and clones are kept; made if missing
  --mounts DIR        where they are mounted (DIR/mnt of the pool unless given)
  --backend NAME      btrfs, overlay or copy; the best that works unless given
  --pool-id FILE      remember there which pool it is, and refuse another one from then on
  --metrics on|off    write metrics for Prometheus four times a minute (off unless given)
  --metrics-file FILE where to; metrics/snapclone.prom beside the mounts unless given
  --log-level LEVEL   debug, info (the default), warning or error
  --version           print the version
  --help              print this

The environment variables SNAPCLONE_SOCKET, SNAPCLONE_POOL, SNAPCLONE_MOUNTS, BACKEND, METRICS and
LOG_LEVEL do the same where a flag is not given. It needs root.
)";
}

}  // namespace snapclone
