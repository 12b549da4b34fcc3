// SPDX-License-Identifier: Apache-2.0
#include "copy_fixture.hpp"

#include <sys/mount.h>

namespace snapclone::test {
namespace {

// A tree that was changed through an overlay in every way that leaves a mark of overlayfs' own.
struct Layers : Copying {
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
    fs::create_directories(merged);
    fs::create_directory(media.path / "work");
    show("from");
    fs::rename(merged / "moved", merged / "renamed");
    fs::remove_all(merged / "replaced");
    fs::create_directory(merged / "replaced");
    World::write(merged / "replaced" / "new", "x");
    fs::remove(merged / "deleted");
    World::write(merged / "changed", "y");
    fs::create_hard_link(merged / "replaced" / "new", merged / "kept" / "linked");
  }
  ~Layers() { sys::unmount(merged); }

  // Mounts the upper with this name.
  void show(std::string const& upper) const {
    sys::mount_overlay({.base = base.get(),
                        .source = "test",
                        .lower = {"lower"},
                        .upper = upper,
                        .work = "work",
                        .options = "redirect_dir=on,index=off,metacopy=off",
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

BOOST_AUTO_TEST_CASE(the_copy_of_an_overlay_is_what_it_shows_without_the_marks) {
  to = media.path / "to";
  fs::create_directory(to);
  tree::copy_tree(merged, to);
  BOOST_TEST(test::differences(manifest(merged), manifest(to)) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
