// SPDX-License-Identifier: Apache-2.0
#include "sys/log.hpp"

#include "sys/text.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

namespace snapclone::sys {
namespace {

// Standard output without warnings and errors, which go to standard error.
class InfoSink final : public spdlog::sinks::stdout_sink_mt {
 public:
  void log(spdlog::details::log_msg const& message) override {
    if (message.level < spdlog::level::warn) spdlog::sinks::stdout_sink_mt::log(message);
  }
};

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    auto out = std::make_shared<InfoSink>();
    out->set_pattern("%v");
    auto err = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    err->set_level(spdlog::level::warn);
    err->set_pattern("%l: %v");
    spdlog::logger made("snapclone", {std::move(out), std::move(err)});
    made.flush_on(spdlog::level::debug);
    return made;
  }();
  return instance;
}

void write(spdlog::level::level_enum level, std::string_view line) {
  if (logger().should_log(level)) logger().log(level, printable(line));
}

}  // namespace

bool set_log_level(std::string_view name) {
  if (name == "debug") {
    logger().set_level(spdlog::level::debug);
  } else if (name == "info") {
    logger().set_level(spdlog::level::info);
  } else if (name == "warning") {
    logger().set_level(spdlog::level::warn);
  } else if (name == "error") {
    logger().set_level(spdlog::level::err);
  } else {
    return false;
  }
  return true;
}

void log_debug(std::string_view line) { write(spdlog::level::debug, line); }
void log_info(std::string_view line) { write(spdlog::level::info, line); }
void log_warning(std::string_view line) { write(spdlog::level::warn, line); }
void log_error(std::string_view line) { write(spdlog::level::err, line); }
void flush_log() { logger().flush(); }

}  // namespace snapclone::sys
