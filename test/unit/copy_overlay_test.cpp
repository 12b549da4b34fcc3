// SPDX-License-Identifier: Apache-2.0
#include "copy_fixture.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

// A tree that was changed through an overlay in every way that leaves a mark of overlayfs' own.
struct Layers : Copying {
  static constexpr int kFiles = 500;
  static constexpr std::size_t kSize = 4000;
  fs::path const lower = media.path / "lower";
  fs::path const merged = media.path / "merged";
  sys::Fd const base = sys::open_dir(media.path);

  Layers() {
    for (auto const* name : {"moved/deep", "replaced", "kept"}) {
      fs::create_directories(lower / name);
      World::write(lower / name / "file", name);
    }
    World::write(lower / "deleted", "x");
    World::write(lower / "changed", "x");
    World::write(lower / "given", "x");
    for (int number = 0; number < kFiles; ++number) {
      World::write(lower / "kept" / std::to_string(number), content_of(number));
    }
    fs::create_directories(merged);
    fs::create_directory(media.path / "work");
    show("from");
    fs::rename(merged / "moved", merged / "renamed");
    fs::remove_all(merged / "replaced");
    fs::create_directory(merged / "replaced");
    World::write(merged / "replaced" / "new", "x");
    fs::remove(merged / "deleted");
    World::write(merged / "changed", "y");
    if (chmod((merged / "given").c_str(), 0600) != 0) sys::fail("change the mode of", "given");
    fs::create_hard_link(merged / "given", merged / "kept" / "given");
    fs::rename(merged / "given", merged / "taken");
    fs::create_hard_link(merged / "replaced" / "new", merged / "kept" / "linked");
  }
  ~Layers() { sys::unmount(merged); }

  static std::string content_of(int number) { return std::string(kSize, char('a' + number % 26)); }

  // In the upper there are then no contents of the files, but marks.
  void give_away() const {
    for (int number = 0; number < kFiles; ++number) {
      fs::path file = merged / "kept" / std::to_string(number);
      if (chown(file.c_str(), 1000, 1000) != 0) sys::fail("change the owner of", file.string());
    }
  }

  // Mounts the upper with this name.
  void show(std::string const& upper) const {
    sys::mount_overlay({.base = base.get(),
                        .source = "test",
                        .lower = {"lower"},
                        .upper = upper,
                        .work = "work",
                        .options = "redirect_dir=on,index=off,metacopy=on",
                        .read_only = false},
                       merged);
    int flags = MS_REMOUNT | MS_BIND | MS_NOATIME;
    if (::mount("", merged.c_str(), "", flags, nullptr) != 0) sys::fail("remount", "the overlay");
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(copy_overlay, Layers)

BOOST_AUTO_TEST_CASE(the_copy_of_an_upper_shows_the_same_over_the_same_layers) {
  Manifest before = manifest(merged);
  BOOST_TEST(before.count("deleted") == 0U);
  BOOST_TEST(before.count("renamed/deep/file") == 1U);
  BOOST_TEST(before.count("replaced/file") == 0U);
  copy();
  sys::unmount(merged);
  show(to.filename().string());
  BOOST_TEST(test::differences(before, manifest(merged)) == "");
}

// With the content read before the mark, a file that was opened in between had neither in the copy.
BOOST_AUTO_TEST_CASE(a_file_that_gets_its_content_during_the_copy_has_the_right_one_in_the_copy) {
  int marked = 0;
  int complete = 0;
  for (int round = 0; round < 100 && (round < 3 || marked == 0 || complete == 0); ++round) {
    give_away();
    std::vector<std::string> const names = sys::list_dir(from / "kept");  // as the copy finds them
    auto open_each_when_its_copy_is_there = [&] {
      for (auto const& name : names) {
        while (!sys::exists(to / "kept" / name)) {
        }
        sys::Fd(open((merged / "kept" / name).c_str(), O_WRONLY | O_CLOEXEC));
      }
    };
    copy_and([&] { return sys::exists(to / "kept"); }, open_each_when_its_copy_is_there,
             {.threads = 1});
    for (int number = 0; number < kFiles; ++number) {
      bool has = getxattr((to / "kept" / std::to_string(number)).c_str(),
                          "trusted.overlay.metacopy", nullptr, 0) >= 0;
      ++(has ? marked : complete);
    }
    sys::unmount(merged);
    show(to.filename().string());
    for (int number = 0; number < kFiles; ++number) {
      BOOST_REQUIRE(World::read(merged / "kept" / std::to_string(number)) == content_of(number));
    }
    sys::unmount(merged);
    fs::remove_all(from / "kept");
    fs::create_directory(from / "kept");
    fs::remove_all(to);
    show("from");
  }
  BOOST_TEST(marked > 0);
  BOOST_TEST(complete > 0);
  BOOST_TEST_MESSAGE(marked << " copies with the mark, " << complete << " with the content");
}

BOOST_AUTO_TEST_CASE(the_copy_of_an_overlay_is_what_it_shows_without_the_marks) {
  to = media.path / "to";
  fs::create_directory(to);
  tree::copy_tree(merged, to);
  BOOST_TEST(test::differences(manifest(merged), manifest(to)) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
