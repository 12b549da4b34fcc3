// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/metrics.hpp"
#include "volume/store.hpp"

namespace snapclone::api {

namespace fs = boost::filesystem;

// The metrics as a file that Prometheus' node exporter picks up (its textfile collector takes
// every file of a directory that ends in ".prom"): the plugin has no network that a scraper could
// reach. Everybody may read the file, which is replaced as a whole. The directory may belong to
// another user, who must not be able to redirect our writes to another file.
class MetricsFile {
 public:
  MetricsFile(fs::path file, Metrics const& metrics, volume::Store const& store)
      : file_(std::move(file)), metrics_(metrics), store_(store) {}

  // Blocks. Makes the file's directory if that is missing. Throws sys::Error.
  void write() const;

 private:
  fs::path const file_;
  Metrics const& metrics_;
  volume::Store const& store_;
};

}  // namespace snapclone::api
