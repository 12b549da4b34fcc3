// SPDX-License-Identifier: Apache-2.0
#include "copy_fixture.hpp"
#include "kit/meanwhile.hpp"
#include "sys/cancelled.hpp"

#include <atomic>

#include <stdio.h>
#include <sys/mount.h>

namespace snapclone::test {
namespace {

// The error that copying the tree ends with.
sys::Error error_of(Copying& tree) {
  try {
    tree.copy();
  } catch (sys::Error const& error) {
    return error;
  }
  return sys::Error("see any error of", "the copy", 0);
}

struct Live : Copying {
  // Whether the copy has this entry.
  bool is_there(std::string const& name) const { return sys::exists(to / name); }
  std::stop_source stop;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(copy_live, Live)

// More directories than wait with a descriptor, so that some are looked up again after they were
// swapped.
BOOST_AUTO_TEST_CASE(a_directory_that_is_swapped_for_a_link_does_not_lead_out_of_the_tree) {
  plant_outside();
  std::vector<std::string> names;
  for (int number = 0; number < 100; ++number) {
    names.push_back("directory" + std::to_string(number));
    fs::create_directories(from / names.back() / "inner");
    World::write(from / names.back() / "secret", "inside");
    World::write(from / names.back() / "inner" / "secret", "inside");
    fs::create_symlink(outside, from / ("link" + std::to_string(number)));
  }
  Manifest before = manifest(outside);
  std::atomic<int> swaps{0};
  {
    Meanwhile attack([&] {
      for (int number = 0; number < 100; ++number) {
        fs::path link = from / ("link" + std::to_string(number));
        renameat2(AT_FDCWD, (from / names[number]).c_str(), AT_FDCWD, link.c_str(),
                  RENAME_EXCHANGE);
        ++swaps;
      }
    });
    while (copies < 20 || swaps < 2000) {
      copy_inside();
    }
  }
  BOOST_TEST(test::differences(before, manifest(outside)) == "");
}

BOOST_AUTO_TEST_CASE(what_vanishes_during_the_copy_is_left_out) {
  fs::create_directory(from / "stays");
  World::write(from / "stays" / "file", "x");
  std::atomic<int> number{0};
  {
    Meanwhile change([&] {
      ++number;
      for (int index = 0; index < 100; ++index) {
        fs::path directory = from / ("d" + std::to_string(index));
        boost::system::error_code ignored;
        if ((number + index) % 2 == 0) {
          fs::create_directories(directory / "inner", ignored);
          World::write(directory / "file", "x");
          fs::create_symlink("x", directory / "link", ignored);
        } else {
          fs::remove_all(directory, ignored);
        }
      }
    });
    while (copies < 50 || number < 50) {
      copy();
      BOOST_REQUIRE(World::read(to / "stays" / "file") == "x");
      fs::remove_all(to);
    }
  }
}

// Tried until it has shrunk between the first piece that is copied and the last.
BOOST_AUTO_TEST_CASE(of_a_file_that_shrinks_meanwhile_what_is_left_is_copied) {
  std::uintmax_t copied = 0;
  for (int round = 0; round < 100 && copied != 5000U; ++round) {
    World::write(from / "file", std::string(50U << 20U, 'x'));
    copy_and([&] { return is_there("file"); }, [&] { fs::resize_file(from / "file", 5000); },
             {.threads = 1});
    copied = fs::file_size(to / "file");
    BOOST_REQUIRE((copied == 5000U || copied == 50U << 20U));
    fs::remove_all(to);
  }
  BOOST_TEST(copied == 5000U);
}

BOOST_AUTO_TEST_CASE(of_a_file_that_grows_meanwhile_the_size_at_the_beginning_is_copied) {
  for (int round = 0; round < 10; ++round) {
    World::write(from / "file", std::string(50U << 20U, 'x'));
    copy_and([&] { return is_there("file"); }, [&] { fs::resize_file(from / "file", 60U << 20U); },
             {.threads = 1});
    BOOST_TEST(fs::file_size(to / "file") == 50U << 20U);
    fs::remove_all(to);
  }
}

BOOST_AUTO_TEST_CASE(a_mount_inside_is_refused_by_its_name) {
  fs::path mounted = from / "inner" / "mounted";
  fs::create_directories(mounted);
  sys::mount_tmpfs(mounted, "");
  sys::Error error = error_of(*this);
  BOOST_TEST(error.code() == EXDEV);
  BOOST_TEST(contains(error.what(), mounted.string()));
  sys::unmount(mounted);
  BOOST_CHECK_NO_THROW(copy());
}

BOOST_AUTO_TEST_CASE(a_file_that_is_mounted_on_a_file_is_refused_too) {
  World::write(from / "file", "x");
  World::write(outside / "file", "outside");
  BOOST_REQUIRE(
      ::mount((outside / "file").c_str(), (from / "file").c_str(), "", MS_BIND, nullptr) == 0);
  BOOST_TEST(error_of(*this).code() == EXDEV);
  sys::unmount(from / "file");
}

BOOST_AUTO_TEST_CASE(the_first_error_ends_the_copy_and_names_the_file) {
  Media tiny("tmpfs", "size=64k");
  for (int number = 0; number < 50; ++number) {
    fs::create_directory(from / std::to_string(number));
    World::write(from / std::to_string(number) / "large", std::string(10000, 'x'));
  }
  fs::create_directory(tiny.path / "to");
  try {
    tree::copy_tree(from, tiny.path / "to");
    BOOST_ERROR("the copy did not fail");
  } catch (sys::Error const& error) {
    BOOST_TEST(error.code() == ENOSPC);
    BOOST_TEST(contains(error.what(), (from / "").string()));
  }
}

BOOST_AUTO_TEST_CASE(a_copy_ends_when_it_is_cancelled) {
  for (int number = 0; number < 20'000; ++number) {
    fs::create_directory(from / std::to_string(number));
  }
  BOOST_TEST(ends_when_cancelled([&] { return World::entries(to) > 100; }));
  BOOST_TEST(World::entries(to) < 20'000U);
}

BOOST_AUTO_TEST_CASE(a_copy_that_was_cancelled_before_it_began_makes_nothing) {
  World::write(from / "file", "x");
  stop.request_stop();
  BOOST_CHECK_THROW(copy({.stop = stop.get_token()}), sys::Cancelled);
  BOOST_TEST(World::entries(to) == 0U);
}

BOOST_AUTO_TEST_CASE(the_copy_of_one_large_file_can_be_cancelled_as_well) {
  World::write(from / "large", std::string(100U << 20U, 'x'));
  BOOST_TEST(ends_when_cancelled([&] { return is_there("large"); }, {.threads = 1}));
  BOOST_TEST(fs::file_size(to / "large") < 100U << 20U);
}

BOOST_AUTO_TEST_CASE(two_hundred_names_of_one_file_are_names_of_one_file_again) {
  World::write(from / "first", "x");
  for (int number = 0; number < 200; ++number) {
    fs::path directory = from / std::to_string(number % 20);
    fs::create_directories(directory);
    fs::create_hard_link(from / "first", directory / ("file" + std::to_string(number)));
  }
  copy();
  BOOST_TEST(differences() == "");
}

BOOST_AUTO_TEST_CASE(two_threads_that_meet_the_same_file_make_one_file) {
  fs::create_directory(from / "left");
  fs::create_directory(from / "right");
  for (int number = 0; number < 1000; ++number) {
    std::string name = std::to_string(number);
    World::write(from / "left" / name, name);
    fs::create_hard_link(from / "left" / name, from / "right" / name);
  }
  for (int round = 0; round < 5; ++round) {
    copy();
    BOOST_TEST(differences() == "");
  }
}

BOOST_AUTO_TEST_CASE(copying_a_tree_does_not_change_its_access_times) {
  fs::create_directory(from / "inner");
  World::write(from / "inner" / "file", "x");
  int flags = MS_REMOUNT | MS_BIND | MS_STRICTATIME;
  BOOST_REQUIRE(::mount("", media.path.c_str(), "", flags, nullptr) == 0);
  auto times = [&] {
    Lines lines;
    for (auto const* path : {"", "inner", "inner/file"}) {
      struct stat status {};
      lstat((from / path).c_str(), &status);
      lines.push_back(path + (" " + shown_time(status.st_atim)));
    }
    return lines;
  };
  Lines before = times();
  copy();
  BOOST_TEST(before == times(), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_tree_or_a_target_that_is_not_there_is_an_error) {
  fs::path missing = media.path / "missing";
  BOOST_CHECK_THROW(tree::copy_tree(missing, outside), sys::Error);
  BOOST_CHECK_THROW(tree::copy_tree(from, missing), sys::Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
