// SPDX-License-Identifier: Apache-2.0
// Pools and mount points in directories whose names overlayfs would take apart in its options.
#include "backend/memory.hpp"
#include "backend/select.hpp"
#include "kit/media.hpp"
#include "pool/pool.hpp"
#include "volume/mount_points.hpp"

#include <boost/filesystem.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <string>

namespace snapclone::test {
namespace {

char const* const kNames[] = {"a\\b", "a\\", "\\,", "a,b", ",", "a:b", ":", "a b", "a\"b", "a\nb"};

struct Odd {
  explicit Odd(std::string const& name) : directory(media.path / name) {
    boost::filesystem::create_directory(directory);
  }
  ~Odd() { sys::unmount(directory / "mnt"); }

  Media media{"tmpfs"};
  fs::path const directory;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(odd_paths)

BOOST_DATA_TEST_CASE(overlays_work_where_a_directory_has_any_name, kNames, name) {
  Odd odd(name);
  pool::Pool pool(odd.directory / "pool");
  volume::MountPoints points(odd.directory / "mnt");
  auto selection = backend::select_backend(pool, points.probes(), points.trial(), "");
  BOOST_TEST(selection.backend->name() == "overlay");
  BOOST_TEST(selection.why == "it is the best that works there (btrfs: the pool is not on btrfs)");
}

BOOST_DATA_TEST_CASE(clones_in_memory_work_where_a_directory_has_any_name, kNames, name) {
  Odd odd(name);
  pool::Pool pool(odd.directory / "pool");
  volume::MountPoints points(odd.directory / "mnt");
  auto selection = backend::select_backend(pool, points.probes(), points.trial(), "copy");
  sys::make_dir(pool.layer("first"));
  selection.backend->make_tree(pool.layer("first"), {});
  BOOST_CHECK_NO_THROW(backend::self_test_memory(pool, points.probes(), {"first"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
