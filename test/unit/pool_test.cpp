// SPDX-License-Identifier: Apache-2.0
#include "backend/select.hpp"
#include "kit/privileges.hpp"
#include "kit/world.hpp"

#include <cerrno>
#include <memory>

#include <seccomp.h>
#include <stdio.h>

namespace snapclone::test {
namespace {

struct Remembering : World {
  fs::path const file = disk.path / "pool-id";

  std::string refused(fs::path const& directory) const {
    try {
      pool::check_remembered(file, directory);
    } catch (std::runtime_error const& error) {
      return error.what();
    }
    return "";
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(pool_format, Remembering)

BOOST_AUTO_TEST_CASE(a_pool_keeps_its_identity) {
  std::string identity = process->pool.identity();
  BOOST_TEST(identity.size() == 16U);
  restart();
  BOOST_TEST(process->pool.identity() == identity);
}

BOOST_AUTO_TEST_CASE(a_pool_from_before_there_were_other_backends_is_overlays) {
  create_with("db", "file", "old");
  process.reset();
  write(pool() / "format", "snapclone pool 1\n");
  pool::Pool old(pool());
  BOOST_TEST(old.backend() == "overlay");
  BOOST_TEST(old.identity().size() == 16U);
  BOOST_TEST(contains(read(pool() / "format"), "backend overlay\n"));
}

BOOST_AUTO_TEST_CASE(a_directory_whose_volumes_are_in_an_image_is_no_pool_without_that) {
  process.reset();
  pool::PoolFormat format{.identity = "abcd", .backend = "overlay", .in_image = true};
  pool::write_format(pool(), format);
  BOOST_TEST(read(pool() / "format") ==
             "snapclone pool in an image\nidentity abcd\nbackend overlay\n");
  BOOST_TEST((pool::read_format(pool()) == format));
  BOOST_CHECK_EXCEPTION(pool::Pool{pool()}, std::runtime_error, [](auto const& error) {
    return contains(error.what(), "lie in the image") && contains(error.what(), "not there");
  });
  pool::make_empty_pool(pool(), "abcd");
  BOOST_TEST(pool::Pool(pool()).identity() == "abcd");
}

// An older plugin cannot read files of overlay's layers, and says that the pool is too new for it.
BOOST_AUTO_TEST_CASE(a_pool_of_overlay_is_refused_by_older_versions_from_its_first_start_on) {
  create_with("db", "file", "old");
  std::string const identity = process->pool.identity();
  BOOST_TEST(read(pool() / "format") ==
             "snapclone pool 2\nidentity " + identity + "\nbackend overlay\n");
  process.reset();
  write(pool() / "format", "snapclone pool 1\nidentity " + identity + "\nbackend overlay\n");
  start();
  BOOST_TEST(read(pool() / "format") ==
             "snapclone pool 2\nidentity " + identity + "\nbackend overlay\n");
  BOOST_TEST(content("db", "file") == "old");
}

BOOST_AUTO_TEST_CASE(a_pool_of_another_backend_can_be_used_by_older_versions) {
  auto choice = backend::select_backend(process->pool, process->points.probes(),
                                        process->points.trial(), "copy");
  BOOST_TEST(contains(read(pool() / "format"), "snapclone pool 1\n"));
}

BOOST_AUTO_TEST_CASE(an_empty_pool_can_have_another_backend) {
  create("db");
  BOOST_TEST(process->pool.backend() == "overlay");
  remove("db");
  BOOST_TEST(layers() == 0U);
  BOOST_TEST(trash() == 0U);
  BOOST_TEST(process->pool.backend() == "");
  auto choice = backend::select_backend(process->pool, process->points.probes(),
                                        process->points.trial(), "copy");
  BOOST_TEST(choice.backend->name() == "copy");
  BOOST_TEST(contains(choice.why, "BACKEND asks for it"));
}

BOOST_AUTO_TEST_CASE(
    a_file_system_that_cannot_rename_without_replacing_is_refused_with_the_reason) {
  std::string why;
  in_a_thread([&] {  // the kernel keeps the filter for this thread alone
    std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
    BOOST_REQUIRE(seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(renameat2), 1,
                                   SCMP_A4(SCMP_CMP_EQ, RENAME_NOREPLACE)) == 0);
    BOOST_REQUIRE(seccomp_load(filter.get()) == 0);
    try {
      backend::select_backend(process->pool, process->points.probes(), process->points.trial(), "");
    } catch (std::runtime_error const& error) {
      why = error.what();
    }
  });
  BOOST_TEST(contains(why, "no backend works on this pool: "));
  for (auto const* name : {"overlay", "copy"}) {
    BOOST_TEST(contains(why, name + std::string(": the pool's file system cannot rename without")));
  }
  BOOST_TEST(entries(pool() / "staging") == 0U);
}

BOOST_AUTO_TEST_CASE(a_backend_that_is_none_or_cannot_work_is_refused_with_the_reason) {
  auto sentence = [&](std::string const& name) -> std::string {
    try {
      backend::select_backend(process->pool, process->points.probes(), process->points.trial(),
                              name);
    } catch (std::runtime_error const& error) {
      return error.what();
    }
    return "";
  };
  BOOST_TEST(sentence("zfs") == "there is no backend \"zfs\": it is btrfs, overlay or copy");
  BOOST_TEST(sentence("btrfs") ==
             "BACKEND=btrfs cannot work on this pool: btrfs: the pool is not on btrfs");
}

BOOST_AUTO_TEST_CASE(a_directory_with_other_things_in_it_is_no_pool_and_stays_as_it_is) {
  fs::path home = disk.path / "home";
  for (auto const* other :
       {"letter", "staging/site/page", "layers/a/fs/x", "trash/x", "mounts/x/y"}) {
    fs::remove_all(home);
    fs::create_directories((home / other).parent_path());
    write(home / other, "precious");
    std::string name = std::string(other).substr(0, std::string(other).find('/'));
    BOOST_CHECK_EXCEPTION(pool::Pool{home}, std::runtime_error, [&](auto const& error) {
      return contains(error.what(), "is not empty: see \"" + name + "\"");
    });
    BOOST_TEST(read(home / other) == "precious");
    BOOST_TEST(sys::list_dir(home) == Lines{name});
  }
}

BOOST_AUTO_TEST_CASE(a_pool_that_has_lost_its_format_is_not_taken_for_a_new_one) {
  create_with("db", "file", "kept");
  process.reset();
  fs::rename(pool() / "format", disk.path / "lost");
  BOOST_CHECK_EXCEPTION(pool::Pool{pool()}, std::runtime_error, [](auto const& error) {
    return contains(error.what(), "if this is a pool whose file was lost, restore that");
  });
  fs::rename(disk.path / "lost", pool() / "format");
  restart();
  BOOST_TEST(content("db", "file") == "kept");
}

BOOST_AUTO_TEST_CASE(a_damaged_memory_of_the_pool_is_named) {
  for (auto const* damaged : {"", "identity\n", "garbage"}) {
    write(file, damaged);
    BOOST_TEST(contains(refused(pool()), file.string() + " does not say which pool"));
  }
}

BOOST_AUTO_TEST_CASE(a_new_disk_and_a_pool_that_was_half_made_are_taken) {
  fs::path disk_root = disk.path / "new";
  for (auto const* name : {"", "lost+found", "layers"}) sys::make_dir(disk_root / name);
  BOOST_CHECK_NO_THROW(pool::Pool{disk_root});
}

BOOST_AUTO_TEST_CASE(the_first_pool_is_any_and_every_other_one_is_refused_untouched) {
  BOOST_TEST(refused(pool()) == "");
  pool::remember(file, process->pool.identity(), "/srv/pool");
  BOOST_TEST(refused(pool()) == "");
  fs::path other = disk.path / "other";
  sys::make_dir(other);
  for (auto const& wrong : {other, disk.path / "none"}) {
    std::string sentence = refused(wrong);
    BOOST_TEST(contains(sentence, "is not the pool that this plugin has used so far"));
    BOOST_TEST(contains(sentence, process->pool.identity()));
    BOOST_TEST(contains(sentence, "pool.source=/srv/pool POOL=/srv/pool"));
  }
  BOOST_TEST(fs::is_empty(other));
  BOOST_TEST(!fs::exists(disk.path / "none"));
  pool::Pool second(other);
  BOOST_TEST(contains(refused(other), second.identity()));
}

BOOST_AUTO_TEST_CASE(outside_a_managed_plugin_another_pool_is_refused_with_what_to_do_there) {
  pool::remember(file, process->pool.identity(), "");
  std::string sentence = refused(disk.path / "none");
  BOOST_TEST(contains(sentence, "is not the pool that this plugin has used so far"));
  BOOST_TEST(contains(sentence, "delete the file " + file.string()));
  BOOST_TEST(!contains(sentence, "docker plugin"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
