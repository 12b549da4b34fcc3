// SPDX-License-Identifier: Apache-2.0
// Walks of a tree in which a system call fails.
#include "kit/failing_calls.hpp"
#include "kit/leased.hpp"
#include "kit/media.hpp"
#include "kit/privileges.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"
#include "tree/copy_tree.hpp"
#include "tree/disk_usage.hpp"
#include "tree/remove_tree.hpp"
#include "tree/sync_tree.hpp"

#include <boost/filesystem.hpp>
#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <functional>
#include <string>

namespace snapclone::test {
namespace {

struct Walk {
  Walk() {
    fs::create_directories(root / "inner");
    fs::create_directory(copy);
    sys::write_file(root / "inner" / "file", "x", sys::Durability::process);
  }

  // The errno that the walk ends with if this system call fails; 0 if it succeeds.
  static int code_if_fails(std::string const& call, int code, std::function<void()> const& walk) {
    int seen = 0;
    in_a_thread([&] {
      fail_calls({{call, code}});
      try {
        walk();
      } catch (sys::Error const& error) {
        seen = error.code();
      }
    });
    return seen;
  }

  Media media{"tmpfs"};
  fs::path const root = media.path / "tree";
  fs::path const copy = media.path / "copy";
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(walks, Walk)

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_listed_to_its_end_is_an_error_of_every_walk) {
  auto code_if_list_breaks = [](std::function<void()> const& walk) {
    return code_if_fails("getdents64", EIO, walk);
  };
  BOOST_TEST(code_if_list_breaks([&] { tree::disk_usage(root); }) == EIO);
  BOOST_TEST(code_if_list_breaks([&] { tree::sync_tree(root); }) == EIO);
  BOOST_TEST(code_if_list_breaks([&] { tree::copy_tree(root, copy, {.threads = 1}); }) == EIO);
  BOOST_TEST(code_if_list_breaks([&] { tree::remove_tree(root); }) == EIO);
  BOOST_TEST(code_if_list_breaks([&] { sys::list_dir(root); }) == EIO);
  BOOST_TEST(code_if_list_breaks([&] { sys::is_empty_dir(root); }) == EIO);
  BOOST_TEST(fs::exists(root / "inner" / "file"));
}

BOOST_AUTO_TEST_CASE(an_entry_that_cannot_be_looked_at_is_not_left_out_of_the_disk_usage) {
  auto measure = [&] { tree::disk_usage(root); };
  for (int code : {EMFILE, ENOMEM, EIO})
    BOOST_TEST(code_if_fails("openat2", code, measure) == code);
}

BOOST_AUTO_TEST_CASE(an_entry_that_is_gone_or_a_mount_is_left_out_of_the_disk_usage) {
  auto measure = [&] { tree::disk_usage(root); };
  for (int code : {ENOENT, ENOTDIR, EXDEV})
    BOOST_TEST(code_if_fails("openat2", code, measure) == 0);
}

BOOST_AUTO_TEST_CASE(an_entry_is_left_out_of_the_syncing_only_if_it_is_gone) {
  auto sync = [&] { tree::sync_tree(root); };
  for (int code : {EMFILE, ENOMEM, EIO, EXDEV})
    BOOST_TEST(code_if_fails("openat2", code, sync) == code);
  for (int code : {ENOENT, ENOTDIR}) BOOST_TEST(code_if_fails("openat2", code, sync) == 0);
  for (int code : {EIO, ENOSPC, EDQUOT}) BOOST_TEST(code_if_fails("fsync", code, sync) == code);
}

BOOST_AUTO_TEST_CASE(syncing_names_a_file_that_somebody_has_a_lease_on_and_does_not_wait) {
  Leased leased(root / "inner" / "file", false);
  BOOST_CHECK_EXCEPTION(tree::sync_tree(root), sys::Error, [](sys::Error const& error) {
    return error.code() == EAGAIN &&
           std::string(error.what()).find("inner/file: ") != std::string::npos;
  });
  BOOST_TEST(leased.is_held());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
