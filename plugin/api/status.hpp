// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/description.hpp"

#include <boost/json/object.hpp>

#include <string>

namespace snapclone::api {

// The object that `docker volume inspect` shows under Status. Pure but for the clock, and cheap:
// the engine asks before every Mount.
boost::json::object status_of(volume::Description const& description);

// "50 s", "12 min", "3 h", "5 days": rounded down, at least two of each but seconds.
std::string age_text(std::int64_t seconds);

}  // namespace snapclone::api
