// SPDX-License-Identifier: Apache-2.0
#include "api/status.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace snapclone::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kShownClones = 20;

}  // namespace

json::object status_of(volume::Volume const& volume, std::string const& backend,
                       std::vector<volume::CloneRecord> clones, std::size_t mounts) {
  json::object status;
  if (!volume.unreadable.empty()) {
    status["error"] = volume.unreadable;
    return status;
  }
  volume::Record const& record = volume.record;
  bool snapshot = record.kind == volume::Kind::snapshot;
  status["kind"] = json::string_view(name_of(record.kind));
  if (!record.lineage.empty()) {
    status["source"] = record.lineage.front();
    status["lineage"] = json::array(record.lineage.begin(), record.lineage.end());
  }
  status["created"] = record.created;
  if (record.target) status["target"] = *record.target;
  if (record.read_only) status["access"] = "ro";
  status["backend"] = backend;
  status["layers"] = record.stack.size() + (snapshot ? 0 : 1);
  if (!snapshot) {
    status["mounts"] = mounts;
    return status;
  }
  status["clones"] = clones.size();
  std::sort(clones.begin(), clones.end(),
            [](auto const& a, auto const& b) { return a.since > b.since; });
  if (clones.size() > kShownClones) clones.resize(kShownClones);
  json::array newest;
  for (auto const& clone : clones) {
    newest.push_back(json::object{{"mount", clone.mount_id}, {"since", clone.since}});
  }
  status["newest_clones"] = std::move(newest);
  return status;
}

}  // namespace snapclone::api
