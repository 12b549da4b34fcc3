// SPDX-License-Identifier: Apache-2.0
#include "api/metrics_file.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"

#include <stdio.h>

namespace snapclone::api {

void MetricsFile::write() const {
  sys::ensure_dir(file_.parent_path(), 0755);
  // Not ".prom": the collector would read it half written.
  fs::path temporary = file_.parent_path() / "new";
  sys::remove_file(temporary);
  sys::write_new_file(temporary, metrics_.text(store_.totals()), 0644);
  if (rename(temporary.c_str(), file_.c_str()) != 0) sys::fail("replace", file_.string());
}

}  // namespace snapclone::api
