// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

// Logs one line per event. Safe from every thread. Information goes to stdout, and warnings and
// errors go to stderr, because the engine logs a plugin's two streams at those levels and adds the
// time. Line breaks and other control characters are written out (sys/text.hpp).
namespace snapclone::sys {

// False, and nothing changes, if the name is not one of debug, info, warning and error.
bool set_log_level(std::string_view name);

void log_debug(std::string_view line);
void log_info(std::string_view line);
void log_warning(std::string_view line);
void log_error(std::string_view line);
void flush_log();

}  // namespace snapclone::sys
