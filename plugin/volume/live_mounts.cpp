// SPDX-License-Identifier: Apache-2.0
#include "volume/live_mounts.hpp"

#include <algorithm>

namespace snapclone::volume {

void LiveMounts::start_clone(CloneRecord const& clone) {
  serials_[{clone.volume, clone.mount_id}] = ++last_serial_;
  put(clone);
}

void LiveMounts::adopt_clone(CloneRecord const& clone) {
  adopted_[clone.volume].insert(clone.mount_id);
  put(clone);
}

void LiveMounts::put(CloneRecord const& clone) {
  auto& [by_id, by_age] = clones_[clone.volume];
  auto [kept, is_new] = by_id.try_emplace(clone.mount_id, clone);
  if (!is_new) {
    by_age.erase(&kept->second);
    kept->second = clone;
  }
  by_age.insert(&kept->second);
}

LiveMounts::Clones const* LiveMounts::find(VolumeName const& name) const {
  auto clones = clones_.find(name);
  return clones == clones_.end() ? nullptr : &clones->second;
}

std::optional<CloneRecord> LiveMounts::find_clone(VolumeName const& name,
                                                  MountId const& mount_id) const {
  Clones const* clones = find(name);
  if (clones == nullptr) return std::nullopt;
  auto clone = clones->by_id.find(mount_id);
  if (clone == clones->by_id.end()) return std::nullopt;
  return clone->second;
}

void LiveMounts::set_clone_count(CloneRecord const& clone) {
  CloneRecord& kept = clones_.at(clone.volume).by_id.at(clone.mount_id);
  kept.count = clone.count;
  kept.mounted_again = clone.mounted_again;
}

void LiveMounts::end_clone(CloneRecord const& clone) {
  auto clones = clones_.find(clone.volume);
  if (clones == clones_.end()) return;
  auto& [by_id, by_age] = clones->second;
  auto found = by_id.find(clone.mount_id);
  if (found == by_id.end() || found->second.id != clone.id) return;
  by_age.erase(&found->second);
  by_id.erase(found);
  serials_.erase({clone.volume, clone.mount_id});
  if (auto adopted = adopted_.find(clone.volume); adopted != adopted_.end()) {
    adopted->second.erase(clone.mount_id);
  }
  if (by_id.empty()) clones_.erase(clones);
}

std::size_t LiveMounts::number_of_clones(VolumeName const& name) const {
  Clones const* clones = find(name);
  return clones == nullptr ? 0 : clones->by_id.size();
}

std::vector<CloneRecord> LiveMounts::clones_of(VolumeName const& name) const {
  std::vector<CloneRecord> all;
  Clones const* clones = find(name);
  if (clones == nullptr) return all;
  for (auto const& [mount_id, clone] : clones->by_id) all.push_back(clone);
  return all;
}

MatchingClones LiveMounts::matching_clones(VolumeName const& name, std::string const& beginning,
                                           std::size_t most) const {
  MatchingClones matching;
  Clones const* clones = find(name);
  if (clones == nullptr) return matching;
  for (CloneRecord const* clone : clones->by_age) {
    bool matches = clone->count != 0 && clone->mount_id.text().rfind(beginning, 0) == 0;
    if (!matches) continue;
    ++matching.number;
    if (matching.newest.size() < most) matching.newest.push_back(*clone);
  }
  return matching;
}

std::vector<CloneAge> LiveMounts::newest_clones(VolumeName const& name, std::size_t most) const {
  std::vector<CloneAge> newest;
  Clones const* clones = find(name);
  if (clones == nullptr) return newest;
  for (CloneRecord const* clone : clones->by_age) {
    if (newest.size() == most) break;
    newest.push_back({clone->mount_id, clone->since});
  }
  return newest;
}

MountCounts LiveMounts::counts(VolumeName const& name) const {
  auto found = counts_.find(name);
  return found == counts_.end() ? MountCounts{} : found->second;
}

std::size_t LiveMounts::number_of_counts(VolumeName const& name) const {
  auto found = counts_.find(name);
  return found == counts_.end() ? 0 : found->second.size();
}

void LiveMounts::set_counts(VolumeName const& name, MountCounts counts) {
  if (auto adopted = adopted_.find(name); adopted != adopted_.end()) {
    std::erase_if(adopted->second, [&](MountId const& id) { return counts.count(id) == 0; });
  }
  MountCounts& kept = counts_[name];
  for (auto const& [mount_id, count] : kept) {
    if (counts.count(mount_id) == 0) serials_.erase({name, mount_id});
  }
  for (auto const& [mount_id, count] : counts) {
    if (kept.count(mount_id) == 0) serials_[{name, mount_id}] = ++last_serial_;
  }
  kept = std::move(counts);
  if (kept.empty()) counts_.erase(name);
}

void LiveMounts::adopt_counts(VolumeName const& name, MountCounts counts) {
  if (counts.empty()) return;
  for (auto const& [mount_id, count] : counts) adopted_[name].insert(mount_id);
  counts_[name] = std::move(counts);
}

std::uint64_t LiveMounts::serial(VolumeName const& name, MountId const& mount_id) const {
  auto found = serials_.find({name, mount_id});
  return found == serials_.end() ? 0 : found->second;
}

bool LiveMounts::doubted(VolumeName const& name, MountId const& mount_id) const {
  auto adopted = adopted_.find(name);
  return doubt_adopted_ && adopted != adopted_.end() && adopted->second.count(mount_id) != 0;
}

}  // namespace snapclone::volume
