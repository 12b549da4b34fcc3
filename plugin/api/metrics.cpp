// SPDX-License-Identifier: Apache-2.0
#include "api/metrics.hpp"

#include "sys/host.hpp"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace snapclone::api {
namespace {

// One text in Prometheus' format, in the making.
class PrometheusText {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(out(), "# HELP snapclone_{0} {2}\n# TYPE snapclone_{0} {1}\n", name, type, help);
  }
  template <class Value>
  void value(Value number, std::string_view labels = "", std::string_view suffix = "") {
    std::string braced = labels.empty() ? "" : fmt::format("{{{}}}", labels);
    fmt::format_to(out(), "snapclone_{}{}{} {}\n", name_, suffix, braced, number);
  }
  void gauge(std::string_view name, std::string_view help, std::uint64_t number) {
    family(name, "gauge", help);
    value(number);
  }
  std::string text;

 private:
  std::back_insert_iterator<std::string> out() { return std::back_inserter(text); }
  std::string_view name_;
};

void write(PrometheusText& page, volume::ImageUse const& use) {
  page.gauge("image_size_bytes", "Size of the file system in the image that holds the pool.",
             use.space.size);
  page.gauge("image_host_bytes", "What the image takes on the host's disk.", use.space.on_host);
  page.gauge("image_offered_bytes", "What the image offers, by what is free on the host's disk.",
             use.space.offered);
  page.gauge("image_direct_io", "1: what is read from the image is in memory once; 0: twice.",
             use.image.direct_io ? 1 : 0);
}

void write(PrometheusText& page, volume::Totals const& now) {
  volume::PoolUse use = now.pool.use.value_or(volume::PoolUse{});
  std::int64_t age = now.pool.use ? sys::seconds_since(use.measured) : 0;
  page.family("build_info", "gauge", "The program's version, and the backend of its pool.");
  page.value(1, fmt::format("version=\"{}\",backend=\"{}\"", SNAPCLONE_VERSION, now.backend));
  page.family("volumes", "gauge", "Volumes and snapshots that exist.");
  page.value(now.volumes, "kind=\"volume\"");
  page.value(now.snapshots, "kind=\"snapshot\"");
  page.value(now.unreadable, "kind=\"unreadable\"");
  page.gauge("mounted_volumes", "Volumes that a container has mounted.", now.mounted_volumes);
  page.gauge("live_clones", "Clones that a container has mounted.", now.live_clones);
  page.gauge("layers", "Layers in the pool.", now.layers);
  page.gauge("trash_entries", "Trees that wait to be deleted or are still in use.", now.trash);
  page.family("disk_use_bytes", "gauge",
              "Space that volumes and snapshots, and live clones, take.");
  page.value(use.volumes, "of=\"volumes\"");
  page.value(use.clones, "of=\"clones\"");
  page.gauge("disk_use_age_seconds", "How long ago that was measured.",
             static_cast<std::uint64_t>(age));
  page.gauge("pool_size_bytes", "Size of the file system that holds the pool.", now.pool.size);
  page.gauge("pool_free_bytes", "What is free there.", now.pool.free);
  page.gauge("pool_used_bytes", "Space that everything in the pool takes.", use.used);
  page.gauge("pool_waiting_bytes", "The part of it that waits to be given back.", use.waiting);
  if (now.pool.image) write(page, *now.pool.image);
}

}  // namespace

void Metrics::count(Verb verb, bool succeeded, std::chrono::nanoseconds duration) {
  double seconds = std::chrono::duration<double>(duration).count();
  sys::MutexLock lock(mutex_);
  Counts& counts = counts_.at(static_cast<std::size_t>(verb));
  ++(succeeded ? counts.succeeded : counts.failed);
  counts.seconds += seconds;
  for (std::size_t i = 0; i < kBuckets.size(); ++i) {
    if (seconds > kBuckets.at(i)) continue;
    ++counts.within.at(i);
    break;
  }
}

void Metrics::count_undone() {
  sys::MutexLock lock(mutex_);
  ++undone_;
}

std::string Metrics::text(volume::Totals const& totals) const {
  PrometheusText page;
  sys::MutexLock lock(mutex_);
  page.family("requests_total", "counter", "Requests of the engine that were answered.");
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    auto verb = name_of(static_cast<Verb>(i));
    page.value(counts_.at(i).succeeded, fmt::format("verb=\"{}\",result=\"success\"", verb));
    page.value(counts_.at(i).failed, fmt::format("verb=\"{}\",result=\"failure\"", verb));
  }
  page.family("request_duration_seconds", "histogram", "From a request's arrival to its answer.");
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    auto verb = name_of(static_cast<Verb>(i));
    Counts const& counts = counts_.at(i);
    std::uint64_t all = counts.succeeded + counts.failed;
    std::uint64_t within = 0;
    for (std::size_t bucket = 0; bucket < kBuckets.size(); ++bucket) {
      within += counts.within.at(bucket);
      page.value(within, fmt::format("verb=\"{}\",le=\"{}\"", verb, kBuckets.at(bucket)),
                 "_bucket");
    }
    page.value(all, fmt::format("verb=\"{}\",le=\"+Inf\"", verb), "_bucket");
    page.value(counts.seconds, fmt::format("verb=\"{}\"", verb), "_sum");
    page.value(all, fmt::format("verb=\"{}\"", verb), "_count");
  }
  page.family("undone_mounts_total", "counter",
              "Mounts that were undone because the engine had stopped waiting for them.");
  page.value(undone_);
  write(page, totals);
  return std::move(page.text);
}

}  // namespace snapclone::api
