// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/metrics.hpp"
#include "pool/pool.hpp"
#include "volume/catalogue.hpp"
#include "volume/disk_use.hpp"

namespace snapclone::api {

namespace fs = boost::filesystem;

// The metrics as a file that Prometheus' node exporter picks up (its textfile collector takes
// whatever ends in ".prom" in a directory): the plugin has no network that a scraper could reach.
// Anyone may read the file, which is replaced as a whole.
class MetricsFile {
 public:
  MetricsFile(fs::path file, std::string backend, Metrics const& metrics, pool::Pool const& pool,
              volume::Catalogue const& catalogue, volume::DiskUseSampler const& usage)
      : file_(std::move(file)),
        backend_(std::move(backend)),
        metrics_(metrics),
        pool_(pool),
        catalogue_(catalogue),
        usage_(usage) {}

  // Blocks. Makes the file's directory if that is missing. Throws sys::Error.
  void write() const;

 private:
  Gauges gauges() const;

  fs::path const file_;
  std::string const backend_;
  Metrics const& metrics_;
  pool::Pool const& pool_;
  volume::Catalogue const& catalogue_;
  volume::DiskUseSampler const& usage_;
};

}  // namespace snapclone::api
