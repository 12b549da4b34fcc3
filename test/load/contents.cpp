// SPDX-License-Identifier: Apache-2.0
#include "load/contents.hpp"

namespace snapclone::test {

void Contents::wrote(int tag, std::string const& file, Clock::time_point end) {
  std::lock_guard lock(mutex_);
  volumes_[tag].writes.push_back({file, end});
}

std::string Contents::shows(int tag, Files const& files, Clock::time_point begin) {
  std::lock_guard lock(mutex_);
  Volume& volume = volumes_[tag];
  Files first;
  for (auto const& file : files) {
    if (file.rfind(new_file(tag, ""), 0) != 0) first.insert(file);
  }
  if (!volume.first) volume.first = first;
  std::string what = "volume " + std::to_string(tag) + " shows" + listed(files);
  if (*volume.first != first) return what + ", and began with" + listed(*volume.first);
  for (auto const& [file, end] : volume.writes) {
    if (end < begin && files.count(file) == 0) return what + ", and has lost " + file;
  }
  return "";
}

std::optional<Files> Contents::first(int tag) const {
  std::lock_guard lock(mutex_);
  auto found = volumes_.find(tag);
  return found == volumes_.end() ? std::nullopt : found->second.first;
}

}  // namespace snapclone::test
