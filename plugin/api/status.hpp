// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/catalogue.hpp"
#include "volume/disk_use.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <vector>

namespace snapclone::api {

// What Status says beside the record.
struct Circumstances {
  std::string backend;
  std::string backend_reason;  // why it is that one
  std::size_t clones = 0;      // that are live
  std::vector<volume::CloneAge> newest_clones = {};
  std::size_t mounts = 0;
  std::optional<volume::DiskUse> use = {};
};

// Of the live clones the newest 20 are listed.
inline constexpr std::size_t kShownClones = 20;

// What `docker volume inspect` shows under Status. Pure but for the clock, and cheap: the engine
// asks before every Mount.
boost::json::object status_of(volume::Volume const& volume, Circumstances const& circumstances);

// "50 s", "12 min", "3 h", "5 days": rounded down, at least two of each but seconds.
std::string age_text(std::int64_t seconds);

}  // namespace snapclone::api
