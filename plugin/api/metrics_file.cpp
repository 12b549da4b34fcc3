// SPDX-License-Identifier: Apache-2.0
#include "api/metrics_file.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace snapclone::api {

void MetricsFile::write() const {
  sys::ensure_dir(file_.parent_path(), 0755);
  // The collector reads everything with the file's own ending, also what is half written.
  fs::path temporary = file_.parent_path() / "new";
  sys::write_file(temporary, metrics_.text(gauges()), sys::Durability::process);
  if (chmod(temporary.c_str(), 0644) != 0) sys::fail("change mode of", temporary.string());
  if (rename(temporary.c_str(), file_.c_str()) != 0) sys::fail("replace", file_.string());
}

Gauges MetricsFile::gauges() const {
  Gauges now;
  now.version = SNAPCLONE_VERSION;
  now.backend = backend_;
  for (auto const& volume : catalogue_.all()) {
    volume::Record const& record = volume->record;
    if (!volume->unreadable.empty()) {
      ++now.unreadable;
    } else if (record.kind == volume::Kind::snapshot) {
      ++now.snapshots;
      now.live_clones += catalogue_.number_of_clones(record.name);
    } else {
      ++now.volumes;
      now.mounted_volumes += catalogue_.number_of_counts(record.name) == 0 ? 0 : 1;
    }
  }
  now.layers = sys::list_dir(pool_.layers()).size();
  now.trash = sys::list_dir(pool_.trash()).size();
  if (auto use = usage_.total()) {
    now.volume_bytes = use->own;
    now.clone_bytes = use->clones;
    now.measured_ago = static_cast<std::uint64_t>(sys::seconds_since(use->measured));
  }
  struct statvfs status {};
  if (statvfs(pool_.root().c_str(), &status) == 0) {
    now.pool_size_bytes = std::uint64_t{status.f_blocks} * status.f_frsize;
    now.pool_free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize;
  }
  return now;
}

}  // namespace snapclone::api
