// SPDX-License-Identifier: Apache-2.0
// Trees that a container has made to trap whoever walks them: copying, measuring, deleting.
#include "copy_fixture.hpp"
#include "kit/leased.hpp"
#include "kit/meanwhile.hpp"
#include "kit/plant.hpp"
#include "kit/requirements.hpp"
#include "sys/cancelled.hpp"
#include "tree/disk_usage.hpp"
#include "tree/remove_tree.hpp"
#include "tree/sync_tree.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include <malloc.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

namespace snapclone::test {
namespace {

namespace utf = boost::unit_test;

// As long as it lives the process gets no more than so many bytes beyond those it has.
class Memory {
 public:
  explicit Memory(rlim_t more) {
    getrlimit(RLIMIT_DATA, &before_);
    rlimit now = before_;
    now.rlim_cur = used() + more;
    setrlimit(RLIMIT_DATA, &now);
  }
  ~Memory() { setrlimit(RLIMIT_DATA, &before_); }

 private:
  static rlim_t used() {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
      if (line.rfind("VmData:", 0) == 0) return std::stoull(line.substr(7)) * 1024;
    }
    throw std::runtime_error("there is no VmData");
  }
  rlimit before_{};
};

void erase(fs::path const& root) { tree::remove_tree(root); }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hostile_tree, Copying)

// The path of each of the entries at the bottom has half a megabyte.
BOOST_AUTO_TEST_CASE(a_tree_that_is_wide_where_it_is_deep_does_not_fill_the_memory) {
  sys::Fd here = sys::open_dir(from);
  for (int depth = 0; depth < 2000; ++depth)
    here = make_and_open(here.get(), std::string(250, 'd'));
  for (int number = 0; number < 1000; ++number) {
    std::string name = std::to_string(number);
    make_file(here.get(), name, "");
    BOOST_REQUIRE(linkat(here.get(), name.c_str(), here.get(), (name + "again").c_str(), 0) == 0);
    make_and_open(here.get(), name + "inner");
  }
  Memory little(100U << 20U);
  BOOST_CHECK_NO_THROW(copy());
  BOOST_CHECK_NO_THROW(tree::disk_usage(from));
  BOOST_CHECK_NO_THROW(erase(to));
  BOOST_TEST(!fs::exists(to));
}

BOOST_AUTO_TEST_CASE(files_with_several_names_are_forgotten_when_all_have_been_seen) {
  sys::Fd fd = sys::open_dir(from);
  for (int number = 0; number < 10'000; ++number) {
    std::string name = std::to_string(number);
    make_file(fd.get(), name, "");
    BOOST_REQUIRE(linkat(fd.get(), name.c_str(), fd.get(), (name + "again").c_str(), 0) == 0);
  }
  std::size_t before = mallinfo2().uordblks;
  std::atomic<std::size_t> most{0};
  std::atomic<int> samples{0};
  {
    Meanwhile sample([&] {
      most = std::max<std::size_t>(most, mallinfo2().uordblks);
      ++samples;
    });
    tree::disk_usage(from);
    copy({.threads = 1});
  }
  BOOST_TEST(differences() == "");
  BOOST_TEST(samples > 100);
  BOOST_TEST(most < before + (200U << 10U));
}

// As a volume's root directory is looked at when it is frozen.
BOOST_AUTO_TEST_CASE(whether_a_directory_is_empty_is_seen_without_reading_all_of_its_names) {
  sys::Fd fd = sys::open_dir(from);
  for (int number = 0; number < 50'000; ++number) {
    make_file(fd.get(), std::string(200, 'n') + std::to_string(number), "");
  }
  Memory little(4U << 20U);
  BOOST_TEST(!sys::is_empty_dir(from));
  BOOST_TEST(sys::is_empty_dir(outside));
}

// Everything in it is exchanged for what leads elsewhere, or does something when it is opened.
struct Swapped : Copying {
  std::vector<std::string> const kinds = {"directory", "link", "file", "fifo", "device"};
  static constexpr int kOfEach = 20;

  fs::path at(std::size_t kind, int number) const {
    return from / (kinds.at(kind) + std::to_string(number));
  }

  Swapped() {
    plant_outside();
    plant();
  }

  void plant() const {
    for (int number = 0; number < kOfEach; ++number) {
      fs::create_directories(at(0, number) / "inner");
      World::write(at(0, number) / "inner" / "file", "inside");
      fs::create_symlink(outside, at(1, number));
      World::write(at(2, number), "inside");
      mkfifo(at(3, number).c_str(), 0600);
      mknod(at(4, number).c_str(), S_IFCHR | 0600, makedev(1, 5));  // endless zeros
    }
  }

  // One round of exchanges; what is not there any more stays away.
  void swap() {
    for (int number = 0; number < kOfEach; ++number) {
      std::size_t other = 1 + static_cast<std::size_t>(number) % (kinds.size() - 1);
      renameat2(AT_FDCWD, at(0, number).c_str(), AT_FDCWD, at(other, number).c_str(),
                RENAME_EXCHANGE);
      renameat2(AT_FDCWD, at(2, number).c_str(), AT_FDCWD, at(3 + number % 2, number).c_str(),
                RENAME_EXCHANGE);
    }
    ++swaps;
  }
  std::atomic<int> swaps{0};
};

BOOST_FIXTURE_TEST_CASE(what_is_swapped_during_a_copy_is_neither_followed_nor_opened, Swapped) {
  Manifest before = manifest(outside);
  {
    Meanwhile attack([&] { swap(); });
    while (copies < 50 || swaps < 500) {
      copy_inside();
    }
  }
  BOOST_TEST(test::differences(before, manifest(outside)) == "");
}

BOOST_FIXTURE_TEST_CASE(what_is_swapped_while_it_is_measured_is_neither_followed_nor_opened,
                        Swapped) {
  World::write(outside / "large", std::string(50U << 20U, 'x'));
  Meanwhile attack([&] { swap(); });
  for (int round = 0; round < 100 || swaps < 500; ++round) {
    BOOST_REQUIRE(tree::disk_usage(from).own < 10U << 20U);
  }
}

BOOST_FIXTURE_TEST_CASE(what_is_swapped_while_it_is_synced_is_neither_followed_nor_opened,
                        Swapped) {
  Meanwhile attack([&] { swap(); });
  for (int round = 0; round < 100 || swaps < 500; ++round) {
    BOOST_CHECK_NO_THROW(tree::sync_tree(from));  // to open the device, or sync it, would fail
  }
}

// Whoever swaps can hold the removal up, which is an error; but nothing outside is lost.
BOOST_FIXTURE_TEST_CASE(what_is_swapped_during_a_removal_does_not_lead_out_of_the_tree, Swapped) {
  Manifest before = manifest(outside);
  std::mutex planting;
  Meanwhile attack([&] {
    std::lock_guard lock(planting);
    swap();
  });
  int held_up = 0;
  for (int round = 0; round < 200 || swaps < 500 || (held_up == 0 && round < 10000); ++round) {
    while (fs::exists(from)) {
      try {
        erase(from);
      } catch (sys::Error const&) {
        ++held_up;
      }
    }
    BOOST_REQUIRE(test::differences(before, manifest(outside)) == "");
    std::lock_guard lock(planting);
    fs::create_directory(from);
    plant();
  }
  BOOST_TEST(held_up > 0);
}

// Between the moment that shows it to be a directory and the one it is opened in.
BOOST_FIXTURE_TEST_CASE(a_directory_that_becomes_a_link_before_it_is_opened_is_not_followed,
                        Swapped) {
  Manifest before = manifest(outside);
  int swapped = 0;
  auto swap_now = [&](int parent, std::string const& name) {
    bool done = renameat2(parent, name.c_str(), parent, "link0", RENAME_EXCHANGE) == 0;
    swapped += done ? 1 : 0;
    return false;
  };
  BOOST_CHECK_THROW(tree::remove_tree(from, {}, swap_now), sys::Error);
  BOOST_TEST(swapped == 1);
  BOOST_TEST(test::differences(before, manifest(outside)) == "");
}

BOOST_AUTO_TEST_CASE(a_copy_that_waits_for_a_lease_can_be_cancelled) {
  World::write(from / "file", "x");
  Leased file(from / "file", false);
  std::stop_source stop;
  BOOST_CHECK_THROW(copy_and([&] { return file.wanted(); }, [&] { stop.request_stop(); },
                             {.stop = stop.get_token()}),
                    sys::Cancelled);
  BOOST_TEST(file.is_held());
}

BOOST_AUTO_TEST_CASE(a_copy_does_not_wait_for_leases_for_ever_and_names_the_file) {
  World::write(from / "file", "x");
  Leased file(from / "file", false);
  try {
    copy({.lease_wait = std::chrono::milliseconds(100)});
    BOOST_ERROR("the copy did not fail");
  } catch (sys::Error const& error) {
    BOOST_TEST(contains(error.what(), "a lease on " + (from / "file").string()));
  }
  BOOST_TEST(file.is_held());
}

BOOST_AUTO_TEST_CASE(a_copy_goes_on_when_a_lease_is_given_up) {
  World::write(from / "file", "x");
  Leased file(from / "file", true);
  copy();
  BOOST_TEST(World::read(to / "file") == "x");
}

BOOST_AUTO_TEST_CASE(measuring_does_not_wait_for_a_lease, *utf::precondition(can_make("xfs"))) {
  Copying tree("xfs");
  World::write(tree.from / "file", std::string(1U << 20U, 'x'));
  Leased file(tree.from / "file", false);
  BOOST_TEST(tree::disk_usage(tree.from).own >= 1U << 20U);
  BOOST_TEST(file.is_held());
}

BOOST_AUTO_TEST_CASE(every_name_that_there_can_be_is_removed) {
  plant_odd_names(from);
  plant_special_files(from, true);
  fs::create_symlink("..", from / "names" / "\n");
  erase(from);
  BOOST_TEST(!fs::exists(from));
}

BOOST_AUTO_TEST_CASE(a_file_of_twenty_thousand_names_is_copied_and_removed_in_one_directory) {
  sys::Fd fd = sys::open_dir(from);
  make_file(fd.get(), "first", "x");
  for (int number = 0; number < 20'000; ++number) {
    BOOST_REQUIRE(linkat(fd.get(), "first", fd.get(), std::to_string(number).c_str(), 0) == 0);
  }
  copy();
  BOOST_TEST(fs::hard_link_count(to / "first") == 20'001U);
  BOOST_TEST(tree::disk_usage(to).own < 1U << 20U);
  erase(to);
  BOOST_TEST(fs::hard_link_count(from / "first") == 20'001U);
}

// The kernel itself can list 64 KiB of names and no more, for anyone.
BOOST_AUTO_TEST_CASE(a_file_with_more_attributes_than_can_be_listed_is_named_and_can_be_removed,
                     *utf::precondition(can_make("btrfs"))) {
  Copying tree("btrfs");
  World::write(tree.from / "flooded", "x");
  for (int number = 0; number < 400; ++number) {
    mark(tree.from / "flooded", "user." + std::string(240, 'n') + std::to_string(number), "v");
  }
  try {
    tree.copy();
    BOOST_ERROR("the copy did not fail");
  } catch (sys::Error const& error) {
    BOOST_TEST(error.code() == E2BIG);
    BOOST_TEST(contains(error.what(), (tree.from / "flooded").string()));
  }
  BOOST_CHECK_NO_THROW(erase(tree.from));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
