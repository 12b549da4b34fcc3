// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"

#include <btrfsutil.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

// What containers may leave in a tree to get out of it, or to keep it from being deleted.
namespace snapclone::test {
namespace {

using pool::Stack;
using namespace std::string_literals;

// Opens a new directory so deep in the tree that no path leads there at once.
sys::Fd beyond_all_paths(fs::path const& root) {
  sys::Fd here = sys::open_dir(root);
  for (int depth = 0; depth < 20; ++depth) {
    std::string name(255, 'd');
    BOOST_REQUIRE(mkdirat(here.get(), name.c_str(), 0700) == 0);
    here = sys::Fd(openat(here.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  return here;
}

// A subvolume in a directory, with something in it; as a container makes it.
sys::Fd new_subvolume(int directory, char const* name) {
  BOOST_REQUIRE(btrfs_util_create_subvolume_fd(directory, name, 0, nullptr, nullptr) ==
                BTRFS_UTIL_OK);
  sys::Fd made(openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  BOOST_REQUIRE(mkdirat(made.get(), "directory", 0700) == 0);
  return made;
}

void make_read_only(sys::Fd const& subvolume) {
  BOOST_REQUIRE(btrfs_util_set_subvolume_read_only_fd(subvolume.get(), true) == BTRFS_UTIL_OK);
}

// Subvolumes in each other, some read-only, at the end of a way that is too long for a path.
void plant_subvolumes(fs::path const& root) {
  sys::Fd deep = beyond_all_paths(root);
  sys::Fd outer = new_subvolume(deep.get(), "outer");
  sys::Fd inner = new_subvolume(outer.get(), "inner");
  sys::Fd here(dup(inner.get()));
  for (int depth = 0; depth < 100; ++depth) {
    BOOST_REQUIRE(mkdirat(here.get(), "deep", 0700) == 0);
    here = sys::Fd(openat(here.get(), "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  make_read_only(new_subvolume(here.get(), "innermost"));
  make_read_only(inner);
  make_read_only(outer);
}

// Marks with which overlayfs says where the rest of something lies, all of them lies. Each has a
// directory of its own, since the kernel lists none with an entry that it makes no sense of.
// `elsewhere` is a directory beside the tree.
void plant_marks(fs::path const& root, std::string const& elsewhere) {
  int number = 0;
  auto next = [&] {
    fs::path trap = root / ("trap" + std::to_string(++number));
    fs::create_directory(trap);
    return trap;
  };
  for (std::string const& target :
       {"/.."s + elsewhere, "/../.."s + elsewhere, "/../../.."s + elsewhere, ".."s, "/"s, "/.."s,
        "."s, elsewhere.substr(1), "/trap1"s, "//"s, std::string(300, '/'), "/\xff\n"s, ""s}) {
    fs::path directory = next() / "directory";
    fs::create_directory(directory);
    mark(directory, "trusted.overlay.redirect", target);
    fs::path file = next() / "file";
    World::write(file, "");
    mark(file, "trusted.overlay.redirect", target);
    mark(file, "trusted.overlay.metacopy", "");
  }
  fs::path opaque = next();
  mark(opaque, "trusted.overlay.opaque", "x");
  World::write(opaque / "whiteout", "");
  mark(opaque / "whiteout", "trusted.overlay.whiteout", "y");
  fs::path origin = next() / "origin";
  World::write(origin, "x");
  mark(origin, "trusted.overlay.origin", "\0\xfb\x1d\1\0"s + std::string(24, '\xff'));
  mark(origin, "trusted.overlay.upper", std::string(29, '\0'));
  mark(origin, "trusted.overlay.nlink", "U+99999999");
  mark(origin, "trusted.overlay.protattr", "i");
  BOOST_REQUIRE(mknod((next() / "device").c_str(), S_IFCHR | 0666, makedev(0, 0)) == 0);
}

// Everything that can be read in a tree, one after the other; what cannot is left out.
std::string all_text_in(fs::path const& path) {
  std::string text;
  boost::system::error_code unreadable;
  fs::file_type type = fs::symlink_status(path, unreadable).type();
  try {
    if (type == fs::regular_file) text += World::read(path);
    if (type != fs::directory_file) return text;
    for (auto const& name : sys::list_dir(path)) text += name + "\n" + all_text_in(path / name);
  } catch (sys::Error const&) {
  }
  return text;
}

// Writes wherever it can.
void write_all_over(fs::path const& root) {
  boost::system::error_code unreadable;
  for (int number = 1; fs::exists(root / ("trap" + std::to_string(number)), unreadable); ++number) {
    fs::path trap = root / ("trap" + std::to_string(number));
    for (auto const* path : {"new", "file", "origin", "device", "directory/new", "whiteout"}) {
      std::ofstream((trap / path).string()) << "y";
    }
  }
}

bool on_btrfs(Ground const& ground) { return ground.filesystem == "btrfs"; }

}  // namespace

PROMISE_WHERE(subvolumes_that_are_hard_to_delete_go_with_their_clone, on_btrfs(ground)) {
  world.create_with("db", "file", "x");
  world.snapshot("db", "seed");
  plant_subvolumes(world.mount("seed", "id"));
  world.unmount("seed", "id");
  BOOST_TEST(world.trash() == 0U);
  world.check_all_is_gone();
}

PROMISE_WHERE(subvolumes_that_are_hard_to_delete_go_with_their_volume, on_btrfs(ground)) {
  world.create("db");
  plant_subvolumes(world.mount("db", "id"));
  world.unmount("db", "id");
  world.check_all_is_gone();
}

PROMISE_WHERE(a_subvolume_too_deep_to_be_named_keeps_a_volume_from_being_frozen,
              ground.backend == "btrfs") {
  world.create("db");
  plant_subvolumes(world.mount("db", "id"));
  world.unmount("db", "id");
  BOOST_TEST(contains(refusal([&] { world.snapshot("db", "seed"); }), "so deep that no path"));
  world.check_all_is_gone();
}

PROMISE_WHERE(a_volume_that_its_container_has_made_read_only_can_be_used_and_removed,
              ground.backend == "btrfs") {
  world.create_with("db", "file", "x");
  make_read_only(sys::open_dir(world.mount("db", "id")));
  world.unmount("db", "id");
  world.snapshot("db", "seed");
  world.create("dev", {{"clone-of", "db"}});
  fs::path clone = world.mount("seed", "id");
  World::write(clone / "file", "y");
  BOOST_TEST(World::read(clone / "file") == "y");
  make_read_only(sys::open_dir(clone));
  world.unmount("seed", "id");
  World::write(world.mount("dev", "id") / "file", "z");
  world.unmount("dev", "id");
  BOOST_TEST(world.content("db", "file") == "x");
  world.check_all_is_gone();
}

// A privileged container can write them where no overlay keeps them from it; into the layers of an
// overlay they come with a pool that somebody has made. A clone never shows what lies elsewhere,
// and what it shows can be written without a change of anything else.
PROMISE_WHERE(marks_that_lead_out_of_a_tree_lead_nowhere, ground.filesystem != "overlay") {
  world.create_with("other", "secret", "of others");
  world.snapshot("other", "hidden");
  std::string elsewhere = "/" + world.find("hidden")->record.stack.front() + "/fs";
  world.create_with("db", "below", "x");
  world.snapshot("db", "base");
  fs::path volume = world.mount("db", "id");
  if (world.marks()) plant_marks(volume, elsewhere);
  World::write(volume / "file", "x");
  world.unmount("db", "id");
  world.create("seed", {{"snapshot-of", "db"}});
  world.create("quick", {{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "16m"}});
  Stack layers = world.find("seed")->record.stack;
  if (!world.marks()) plant_marks(world.process->pool.tree(layers.front()), elsewhere);
  Manifest before = manifest(world.process->pool.tree(layers.front()));

  for (auto const* name : {"seed", "quick"}) {
    fs::path clone = world.mount(name, "id");
    std::string text = all_text_in(clone);
    BOOST_TEST(!contains(text, "secret"));
    BOOST_TEST(!contains(text, "of others"));
    BOOST_TEST(contains(text, "below"));
    write_all_over(clone);
    std::string kept = std::string("of-") + name;
    try {
      world.create(kept, {{"snapshot-of", std::string(name) + "@id"}});
      BOOST_TEST(!contains(all_text_in(world.mount(kept, "id")), "of others"));
      world.unmount(kept, "id");
    } catch (sys::Error const& error) {
      BOOST_TEST(contains(error.what(), "/trap"));
    }
    world.unmount(name, "id");
  }
  BOOST_TEST(differences_shown(before, manifest(world.process->pool.tree(layers.front()))) == "");
  BOOST_TEST(world.content("hidden", "secret") == "of others");
  world.check_all_is_gone();
}

PROMISE_WHERE(subvolumes_are_copied_as_the_directories_that_they_seem_to_be,
              ground.filesystem == "btrfs" && ground.backend == "copy") {
  world.create("db");
  fs::path volume = world.mount("db", "id");
  sys::Fd outer = new_subvolume(sys::open_dir(volume).get(), "outer");
  make_read_only(new_subvolume(outer.get(), "inner"));
  world.unmount("db", "id");
  world.snapshot("db", "seed");
  fs::path clone = world.mount("seed", "id");
  World::write(clone / "outer" / "inner" / "directory" / "file", "x");
  BOOST_TEST(World::read(clone / "outer" / "inner" / "directory" / "file") == "x");
  world.unmount("seed", "id");
  world.check_all_is_gone();
}

}  // namespace snapclone::test
