// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/catalogue.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace snapclone::api {

// What `docker volume inspect` shows under Status. Pure, and cheap: the engine asks before every
// Mount. Of the live clones the newest 20 are listed.
boost::json::object status_of(volume::Volume const& volume, std::string const& backend,
                              std::vector<volume::CloneRecord> clones, std::size_t mounts);

}  // namespace snapclone::api
