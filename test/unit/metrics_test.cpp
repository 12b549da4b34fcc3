// SPDX-License-Identifier: Apache-2.0
#include "api/metrics.hpp"

#include "api/dispatch.hpp"
#include "api/metrics_file.hpp"
#include "kit/meanwhile.hpp"
#include "kit/world.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

using namespace std::chrono_literals;

struct Measured : World {
  api::Metrics metrics;
  api::Dispatch dispatch{process->store, metrics};
  fs::path file = disk.path / "metrics" / "snapclone.prom";
  api::MetricsFile writer{file, metrics, process->store};

  void ask(std::string const& verb, std::string const& body) {
    dispatch.handle("/VolumeDriver." + verb, body, [](api::Reply const&) {});
  }
  void write_if_possible() const {
    try {
      writer.write();
    } catch (sys::Error const&) {
    }
  }
  bool says(std::string const& line) const { return contains(read(file), line + "\n"); }
};

// A file of root's, and a directory of somebody else's in which the metrics are written.
struct Foreign : Measured {
  Foreign() {
    write(secret, "secret");
    fs::permissions(secret, fs::owner_read | fs::owner_write);
    fs::create_directory(directory);
    BOOST_REQUIRE(chown(directory.c_str(), 65534, 65534) == 0);
  }
  void check_secret() const {
    struct stat status {};
    BOOST_REQUIRE(stat(secret.c_str(), &status) == 0);
    BOOST_TEST((status.st_mode & 07777U) == 0600U);
    BOOST_TEST(read(secret) == "secret");
  }
  fs::path const directory = file.parent_path();
  fs::path const secret = disk.path / "secret";
};

}  // namespace

BOOST_AUTO_TEST_SUITE(metrics)

BOOST_FIXTURE_TEST_CASE(the_file_tells_what_exists_and_what_was_asked, Measured) {
  ask("Create", R"({"Name":"db"})");
  ask("Create", R"({"Name":"seed","Opts":{"snapshot-of":"db"}})");
  ask("Create", R"({"Name":"../x"})");
  ask("Mount", R"({"Name":"seed","ID":"id"})");
  ask("Mount", R"({"Name":"db","ID":"id"})");
  ask("Get", R"({"Name":"db"})");
  writer.write();
  for (auto const* line :
       {R"(snapclone_requests_total{verb="Create",result="success"} 2)",
        R"(snapclone_requests_total{verb="Create",result="failure"} 1)",
        R"(snapclone_requests_total{verb="Mount",result="success"} 2)",
        R"(snapclone_requests_total{verb="Get",result="success"} 1)",
        R"(snapclone_requests_total{verb="Remove",result="success"} 0)",
        R"(snapclone_request_duration_seconds_bucket{verb="Create",le="+Inf"} 3)",
        R"(snapclone_request_duration_seconds_count{verb="Create"} 3)",
        R"(snapclone_volumes{kind="volume"} 1)", R"(snapclone_volumes{kind="snapshot"} 1)",
        "# TYPE snapclone_pool_used_bytes gauge", "# TYPE snapclone_pool_waiting_bytes gauge",
        "snapclone_mounted_volumes 1", "snapclone_live_clones 1", "snapclone_undone_mounts_total 0",
        "# TYPE snapclone_request_duration_seconds histogram"}) {
    BOOST_TEST_CONTEXT(line) { BOOST_TEST(says(line)); }
  }
  ask("Unmount", R"({"Name":"seed","ID":"id"})");
  ask("Unmount", R"({"Name":"db","ID":"id"})");
  writer.write();
  BOOST_TEST(says("snapclone_live_clones 0"));
  BOOST_TEST(says("snapclone_mounted_volumes 0"));
}

BOOST_FIXTURE_TEST_CASE(anyone_may_read_the_file_and_nothing_else_lies_beside_it, Measured) {
  writer.write();
  writer.write();
  struct stat status {};
  BOOST_REQUIRE(stat(file.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777U) == 0644U);
  BOOST_REQUIRE(stat(file.parent_path().c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777U) == 0755U);
  BOOST_TEST(sys::list_dir(file.parent_path()) == Lines{"snapclone.prom"});
}

BOOST_FIXTURE_TEST_CASE(links_in_the_directory_lead_no_write_to_another_file, Foreign) {
  for (auto const* name : {"new", ".new", "snapclone.prom"}) {
    BOOST_TEST_CONTEXT(name) {
      fs::remove(file);
      fs::create_hard_link(secret, directory / name);
      writer.write();
      check_secret();
      BOOST_TEST(contains(read(file), "snapclone_volumes"));
      fs::remove(file);
      fs::remove(directory / name);  // of a name that is not used
      fs::create_symlink(secret, directory / name);
      writer.write();
      check_secret();
      fs::remove(directory / name);
    }
  }
}

BOOST_FIXTURE_TEST_CASE(links_that_are_swapped_in_meanwhile_lead_no_write_to_another_file,
                        Foreign) {
  fs::path const link = directory / "link";
  {
    Meanwhile swap([&] {
      fs::create_symlink(secret, link);
      fs::rename(link, directory / "new");
    });
    for (int round = 0; round < 10000; ++round) write_if_possible();
  }
  check_secret();
}

BOOST_AUTO_TEST_CASE(metrics_have_the_pools_size_and_use_in_bytes) {
  volume::Totals totals;
  totals.pool = {.size = 400, .free = 300, .use = volume::PoolUse{}, .reflinks = {}};
  totals.pool.use->used = 40;
  totals.pool.use->volumes = 20;
  totals.pool.use->clones = 10;
  totals.pool.use->waiting = 5;
  totals.pool.use->measured = "2026-01-31T12:00:00Z";
  std::string text = api::Metrics().text(totals);
  for (auto const* line :
       {"pool_size_bytes 400", "pool_free_bytes 300", "pool_used_bytes 40", "pool_waiting_bytes 5",
        "disk_use_bytes{of=\"volumes\"} 20", "disk_use_bytes{of=\"clones\"} 10"}) {
    BOOST_TEST(contains(text, "\nsnapclone_" + std::string(line) + "\n"));
  }
}

BOOST_AUTO_TEST_CASE(buckets_count_all_that_took_no_longer) {
  api::Metrics metrics;
  for (auto duration : {400us, 500us, 1500us, 120'000'000us}) {
    metrics.count(api::Verb::mount, true, duration);
  }
  std::string text = metrics.text({});
  auto bucket = [&](std::string const& limit, int count) {
    return contains(text, "snapclone_request_duration_seconds_bucket{verb=\"Mount\",le=\"" + limit +
                              "\"} " + std::to_string(count) + "\n");
  };
  BOOST_TEST(bucket("0.0005", 2));
  BOOST_TEST(bucket("0.001", 2));
  BOOST_TEST(bucket("0.002", 3));
  BOOST_TEST(bucket("60", 3));
  BOOST_TEST(bucket("+Inf", 4));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
