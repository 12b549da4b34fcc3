// SPDX-License-Identifier: Apache-2.0
#include "api/status.hpp"

#include "sys/host.hpp"
#include "sys/text.hpp"

#include <boost/json.hpp>

namespace snapclone::api {
namespace {

namespace json = boost::json;

json::object disk_use(volume::DiskUse const& use, bool snapshot) {
  json::object object;
  object["own_bytes"] = use.own;
  object["shared_bytes"] = use.shared;
  object["total_bytes"] = use.total();
  if (snapshot) object["clones_bytes"] = use.clones;
  object["measured"] = use.measured;
  object["measured_ago"] = age_text(sys::seconds_since(use.measured));
  return object;
}

// From here on a person waits for the copy.
constexpr std::uint64_t kMuchCopied = std::uint64_t{64} << 20U;

json::object first_write(volume::FirstWrite const& write, bool in_memory) {
  json::object object = {{"largest_file", sys::printable(write.file)},
                         {"size_bytes", write.size},
                         {"copied_bytes", write.copied}};
  if (!in_memory && write.copied >= kMuchCopied) {
    object["advice"] = "with the pool in an image file nothing would be copied: see docs/pools.md";
  }
  return object;
}

json::object image_use(volume::ImageUse const& use) {
  return {{"file", use.image.file.string()},  {"size_bytes", use.space.size},
          {"host_bytes", use.space.on_host},  {"offered_bytes", use.space.offered},
          {"direct_io", use.image.direct_io}, {"reserved", use.image.reserved},
          {"last_trim", use.space.last_trim}};
}

json::object pool_space(volume::PoolSpace const& pool) {
  json::object object;
  object["size_bytes"] = pool.size;
  object["free_bytes"] = pool.free;
  if (pool.use) {
    object["used_bytes"] = pool.use->used;
    object["waiting_bytes"] = pool.use->waiting;
  }
  if (pool.reflinks) object["reflinks"] = *pool.reflinks;
  if (pool.image) object["image"] = image_use(*pool.image);
  if (!pool.why_no_image.empty()) object["no_image"] = pool.why_no_image;
  return object;
}

}  // namespace

std::string age_text(std::int64_t seconds) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  if (seconds < 2 * kMinute) return std::to_string(seconds) + " s";
  if (seconds < 2 * kHour) return std::to_string(seconds / kMinute) + " min";
  if (seconds < 2 * kDay) return std::to_string(seconds / kHour) + " h";
  return std::to_string(seconds / kDay) + " days";
}

json::object status_of(volume::Description const& description) {
  volume::Volume const& volume = *description.volume;
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
  status["age"] = age_text(sys::seconds_since(record.created));
  if (record.target) status["target"] = *record.target;
  if (record.read_only) status["access"] = "ro";
  if (record.memory != 0) {
    status["medium"] = "memory";
    status["size"] = record.options.at("size");
  }
  status["backend"] = description.backend;
  status["backend_reason"] = description.backend_reason;
  status["layers"] = record.stack.size() + (snapshot ? 0 : 1);
  if (description.disk_use) {
    status["disk_use"] = disk_use(*description.disk_use, snapshot);
    auto const& copied = description.disk_use->first_write;
    if (copied) status["first_write"] = first_write(*copied, record.memory != 0);
  }
  status["pool"] = pool_space(description.pool);
  if (!snapshot) {
    status["mounts"] = description.mounts;
    return status;
  }
  status["clones"] = description.clones;
  json::array newest;
  for (auto const& clone : description.newest_clones) {
    newest.push_back(json::object{{"mount", clone.mount_id.text()}, {"since", clone.since}});
  }
  status["newest_clones"] = std::move(newest);
  return status;
}

}  // namespace snapclone::api
