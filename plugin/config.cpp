// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"

#include "image/image.hpp"
#include "sys/text.hpp"

#include <boost/filesystem/operations.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <optional>
#include <span>
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
  fs::path absolute = path;
  if (absolute.is_relative()) {
    boost::system::error_code error;
    absolute = fs::current_path(error) / path;
    if (error) {
      throw BadValue("the path \"" + path + "\" is relative, and the working directory is gone (" +
                     error.message() + "): give a path that begins with \"/\"");
    }
  }
  absolute = absolute.lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

std::chrono::seconds seconds(std::string const& flag, std::string const& value) {
  constexpr int kMost = 86400;
  int number = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  bool whole = error == std::errc() && end == value.data() + value.size();
  if (!whole || number < 0 || number > kMost) {
    throw BadValue(flag + " " + value + " cannot be: it is a whole number of seconds, 0 to " +
                   std::to_string(kMost));
  }
  return std::chrono::seconds(number);
}

// A setting that has one of a few values, with a flag and a variable of the environment.
struct Choice {
  std::string_view flag;
  char const* variable;
  std::span<std::string_view const> values;
  std::string_view fallback;  // what is used instead, for the warning
};

constexpr std::string_view kLogLevels[] = {"debug", "info", "warning", "error"};
constexpr std::string_view kBackends[] = {"btrfs", "overlay", "copy"};
constexpr std::string_view kOnOrOff[] = {"on", "off"};

constexpr Choice kLogLevel{"--log-level", "LOG_LEVEL", kLogLevels, "using info"};
constexpr Choice kBackend{"--backend", "BACKEND", kBackends, "using the one that fits the pool"};
constexpr Choice kImageReserve{"--image-reserve", "IMAGE_RESERVE", kOnOrOff, "using off"};
constexpr std::string_view kPlaces[] = {"image", "directory"};
constexpr Choice kMoveTo{"--move-to", "", kPlaces, ""};
constexpr Choice kMetrics{"--metrics", "METRICS", kOnOrOff, "using off"};

std::string unknown(std::string const& setting, std::string const& value, Choice const& choice) {
  std::string values;
  for (std::size_t i = 0; i < choice.values.size(); ++i) {
    values += i == 0 ? "" : i + 1 == choice.values.size() ? " or " : ", ";
    values += choice.values[i];
  }
  return setting + value + " is not known: it is " + values;
}

bool is_known(std::string const& value, Choice const& choice) {
  return value.empty() ||
         std::find(choice.values.begin(), choice.values.end(), value) != choice.values.end();
}

// "" if neither the command line nor the environment has a value.
std::string value_of(Choice const& choice, std::optional<std::string> const& on_command_line,
                     std::vector<std::string>& warnings) {
  if (on_command_line && !is_known(*on_command_line, choice)) {
    throw BadValue(unknown(std::string(choice.flag) + " ", *on_command_line, choice));
  }
  std::string value = on_command_line.value_or(from_environment(choice.variable));
  if (is_known(value, choice)) return value;
  warnings.push_back(unknown(std::string(choice.variable) + "=", value, choice) + "; " +
                     std::string(choice.fallback));
  return "";
}

constexpr char kImageValues[] = "it is on, off or a size from 1g to 16383g, such as 50g";

// Takes the value of IMAGE. False if it is not known.
bool take_image(std::string const& value, Config& config) {
  if (value == "on" || value == "off") {
    config.image = value == "on";
    config.image_size = 0;
    return true;
  }
  auto size = sys::parse_bytes(value, "kmgt");
  if (!size || *size < image::kLeastImage || *size > image::kMostImage) return false;
  config.image = true;
  config.image_size = *size;
  return true;
}

void take_image(std::optional<std::string> const& on_command_line, std::string const& otherwise,
                Config& config) {
  constexpr char kFlag[] = "--image ";
  if (!otherwise.empty() && !take_image(otherwise, config)) {
    throw BadValue("--image-default " + otherwise + " is not known: " + kImageValues);
  }
  if (on_command_line) {
    if (take_image(*on_command_line, config)) return;
    throw BadValue(kFlag + *on_command_line + " is not known: " + kImageValues);
  }
  std::string value = from_environment("IMAGE");
  if (value.empty() || take_image(value, config)) return;
  config.warnings.push_back("IMAGE=" + sys::excerpt(value) + " is not known: " + kImageValues +
                            "; using " + (otherwise.empty() ? "off" : otherwise));
}

Config read(int argc, char const* const* argv) {
  Config config;
  std::string socket = from_environment("SNAPCLONE_SOCKET");
  std::string pool = from_environment("SNAPCLONE_POOL");
  std::string mounts = from_environment("SNAPCLONE_MOUNTS");
  std::string pool_id;
  std::string metrics_file;
  std::optional<std::string> level;
  std::optional<std::string> backend;
  std::optional<std::string> metrics;
  std::optional<std::string> move_to;
  std::optional<std::string> image;
  std::optional<std::string> image_reserve;
  std::string image_default;
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
    } else if ((value = value_of("--prune-pause", argc, argv, i))) {
      config.prune_pause = seconds("--prune-pause", *value);
    } else if ((value = value_of(kMoveTo.flag, argc, argv, i))) {
      move_to = value;
    } else if ((value = value_of("--image", argc, argv, i))) {
      image = value;
    } else if ((value = value_of("--image-default", argc, argv, i))) {
      image_default = *value;
    } else if ((value = value_of(kImageReserve.flag, argc, argv, i))) {
      image_reserve = value;
    } else if ((value = value_of(kMetrics.flag, argc, argv, i))) {
      metrics = value;
    } else if ((value = value_of("--metrics-file", argc, argv, i))) {
      metrics_file = *value;
    } else if ((value = value_of(kBackend.flag, argc, argv, i))) {
      backend = value;
    } else if ((value = value_of(kLogLevel.flag, argc, argv, i))) {
      level = value;
    } else {
      throw BadUsage("unknown argument \"" + std::string(argument) + "\"");
    }
  }
  if (config.show_help || config.show_version) return config;
  if (move_to && (move_to->empty() || !is_known(*move_to, kMoveTo))) {
    throw BadValue(unknown("--move-to ", *move_to, kMoveTo));
  }
  config.move_to = move_to.value_or("");
  if (socket.empty() && config.move_to.empty()) {
    throw BadUsage("--socket is missing: where should the engine find us?");
  }
  if (pool.empty()) throw BadUsage("--pool is missing: where should the volumes be kept?");
  if (!socket.empty()) config.socket = normal(socket);
  config.pool = normal(pool);
  config.mounts = mounts.empty() ? config.pool / "mnt" : normal(mounts);
  if (!pool_id.empty()) config.pool_id = normal(pool_id);
  config.backend = value_of(kBackend, backend, config.warnings);
  std::string known_level = value_of(kLogLevel, level, config.warnings);
  if (!known_level.empty()) config.log_level = known_level;
  take_image(image, image_default, config);
  config.all_devices = !image_default.empty();
  config.image_reserve = value_of(kImageReserve, image_reserve, config.warnings) == "on";
  if (value_of(kMetrics, metrics, config.warnings) == "on") {
    config.metrics = metrics_file.empty() ? config.mounts.parent_path() / "metrics/snapclone.prom"
                                          : normal(metrics_file);
  }
  return config;
}

}  // namespace

Config read_config(int argc, char const* const* argv) {
  try {
    return read(argc, argv);
  } catch (BadValue const&) {
    throw;
  } catch (BadUsage const&) {
    throw;
  } catch (std::exception const& error) {
    throw BadValue(std::string("the command line cannot be read: ") + error.what());
  }
}

std::string help_text() {
  return R"(snapclone: a Docker volume plugin whose snapshots give every mount its own clone

usage: snapclone --socket PATH --pool DIR [--mounts DIR] [--backend NAME] [--log-level LEVEL]
       snapclone --move-to image|directory --pool DIR [--mounts DIR] [--image SIZE]

  --socket PATH       unix socket to serve the volume plugin protocol on
                      (/run/docker/plugins/snapclone.sock makes it the driver "snapclone")
  --pool DIR          where volumes, snapshots and clones are kept; made if missing
  --mounts DIR        where they are mounted (DIR/mnt of the pool unless given)
  --backend NAME      btrfs, overlay or copy; the best that works unless given
  --pool-id FILE      remember there which pool it is, and refuse another one from then on
  --image on|off|SIZE keep the pool in an image file with an xfs, DIR.img, mounted on DIR (off)
  --image-default …   the same, where neither --image nor IMAGE has a value that is known. A
                      container's first process then gives up opening devices once it has started
  --move-to image|directory
                      serve nothing: move all volumes into an image, or back, and end. The plugin
                      must be disabled; interrupted, the same command goes on
  --image-reserve on|off
                      take all the image's space at once, and never give it back (off)
  --metrics on|off    write metrics for Prometheus four times a minute (off unless given)
  --metrics-file FILE where to; metrics/snapclone.prom beside the mounts unless given
  --prune-pause SEC   the pause between searches for files that nothing shows any more (20)
  --log-level LEVEL   debug, info (the default), warning or error
  --version           print the version
  --help              print this

The environment variables SNAPCLONE_SOCKET, SNAPCLONE_POOL, SNAPCLONE_MOUNTS, BACKEND, IMAGE,
IMAGE_RESERVE, METRICS and LOG_LEVEL do the same where a flag is not given. It needs root.
)";
}

}  // namespace snapclone
