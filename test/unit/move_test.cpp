// SPDX-License-Identifier: Apache-2.0
#include "volume/move.hpp"

#include "kit/manifest.hpp"
#include "kit/media.hpp"
#include "kit/plant.hpp"
#include "kit/requirements.hpp"
#include "kit/world.hpp"

#include <map>
#include <memory>
#include <string>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

// Volumes that are moved between an ext4 and an xfs.
namespace snapclone::test {
namespace {

using Shows = std::map<std::string, Manifest>;

// One place for a pool, with nobody who serves it but the test.
struct Place {
  Media media;
  std::string const type;
  std::string const name = "the pool on " + type;

  explicit Place(std::string of_type) : media(of_type), type(std::move(of_type)) {}
  ~Place() { unmount_all(media.path / "mnt"); }

  fs::path pool() const { return media.path / "pool"; }
  std::unique_ptr<World> world() const { return std::make_unique<World>(media.path, "overlay"); }

  // What each volume and snapshot shows to a container.
  Shows shows() const {
    auto serving = world();
    Shows all;
    for (auto const& volume : serving->process->catalogue.all()) {
      std::string name_of = volume->record.name.text();
      all[name_of] = without_access_times(manifest(serving->mount(name_of, "looker")));
      // On xfs each ACL is seen a second time.
      for (auto& [path, shown] : all[name_of]) {
        std::erase_if(shown, [&](auto const& item) {
          return type == "xfs" && item.first.rfind("xattr trusted.SGI_ACL_", 0) == 0;
        });
      }
      serving->unmount(name_of, "looker");
    }
    return all;
  }
  std::map<std::string, std::string> records() const {
    std::map<std::string, std::string> all;
    if (!fs::exists(pool())) return all;
    for (auto const& volume : sys::list_dir(pool() / "volumes")) {
      all[volume] = sys::read_file(pool() / "volumes" / volume / "volume.json");
    }
    return all;
  }
};

struct Places {
  Place ext4{"ext4"};
  Place xfs{"xfs"};

  // Returns how many were moved.
  static std::size_t move(Place const& from, Place const& to) {
    return moving(from, to, [](volume::Move& move) {
      move.prepare();
      return move.run();
    });
  }

  template <class Work>
  static std::size_t moving(Place const& from, Place const& to, Work const& work) {
    auto identity = pool::read_format(from.pool())->identity;
    sys::ensure_dir(to.pool());
    if (!pool::holds_trees(to.pool())) pool::make_empty_pool(to.pool(), identity);
    auto settings = [](Place const& place) {
      return volume::StoreSettings{.mounts = place.media.path / "mnt",
                                   .backend = "overlay",
                                   .settle = std::chrono::milliseconds(40)};
    };
    volume::StoreParts here(pool::Pool(from.pool()), settings(from));
    volume::StoreParts there(pool::Pool(to.pool()), settings(to));
    volume::Side from_side{here, from.name};
    volume::Side to_side{there, to.name};
    volume::Move move(from_side, to_side);
    return work(move);
  }

  static std::string sentence(Place const& from, Place const& to) {
    try {
      move(from, to);
    } catch (std::exception const& error) {
      return error.what();
    }
    return "";
  }
};

void write_in(World& world, std::string const& volume, std::string const& file,
              std::string const& text) {
  World::write(world.mount(volume, "writer") / file, text);
  world.unmount(volume, "writer");
}

// What overlayfs stores under its own names. Kernels before 6.7 refuse to.
void mark_as_overlay(fs::path const& directory) {
  if (lsetxattr(directory.c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0) return;
  BOOST_TEST((errno == EOPNOTSUPP || errno == EPERM));
  BOOST_TEST_MESSAGE("this kernel stores no overlay in an overlay");
}

// In a volume over others' layers: everything that leaves a mark.
void change(fs::path const& root) {
  fs::rename(root / "a", root / "renamed");
  fs::remove_all(root / "names");
  fs::create_directory(root / "names");
  World::write(root / "names" / "new", "x");
  fs::remove(root / "empty");
  BOOST_TEST(chmod((root / "large").c_str(), 0600) == 0);
  BOOST_TEST(chown((root / "sparse" / "ends in a hole").c_str(), 7, 8) == 0);
  fs::rename(root / "sparse" / "begins with a hole", root / "taken");
  fs::create_hard_link(root / "taken", root / "sparse" / "given");
  write_at(root / "sparse" / "is a hole", 1 << 19, 10);
  mark_as_overlay(root / "names");
}

// A volume with everything, snapshots of its moments, and clones of these with changes.
void fill(World& world) {
  world.create("db");
  plant_everything(world.mount("db", "writer"), false);
  world.unmount("db", "writer");
  world.snapshot("db", "s1");
  change(world.mount("db", "writer"));
  world.unmount("db", "writer");
  world.snapshot("db", "s2");
  world.create("dev", {{"clone-of", "s1"}, {"target", "/data"}});
  write_in(world, "dev", "mine", "of dev");
  world.create("alone");
  write_in(world, "alone", "file", "alone");
  world.create("empty");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(move, *boost::unit_test::precondition(can_make("ext4")) *
                                boost::unit_test::precondition(can_make("xfs")))

BOOST_FIXTURE_TEST_CASE(moved_there_and_back_everything_shows_the_same, Places) {
  fill(*ext4.world());
  Shows before = ext4.shows();
  auto records = ext4.records();
  for (auto [from, to] : {std::pair{&ext4, &xfs}, {&xfs, &ext4}}) {
    BOOST_TEST(move(*from, *to) == records.size());
    BOOST_TEST(!pool::holds_trees(from->pool()));
    BOOST_TEST((to->records() == records));
    Shows after = to->shows();
    for (auto const& [name, shown] : before) {
      BOOST_TEST_CONTEXT(to->name << ", " << name) {
        BOOST_TEST(differences(shown, after[name]) == "");
      }
    }
  }
}

BOOST_FIXTURE_TEST_CASE(what_was_moved_can_be_changed_frozen_and_removed, Places) {
  fill(*ext4.world());
  move(ext4, xfs);
  {
    auto world = xfs.world();
    change(world->mount("dev", "writer"));
    world->unmount("dev", "writer");
    write_in(*world, "db", "later", "later");
    world->snapshot("db", "s3");
    world->snapshot("dev", "s4");
  }
  Shows before = xfs.shows();
  move(xfs, ext4);
  Shows after = ext4.shows();
  for (auto const& [name, shown] : before) {
    BOOST_TEST_CONTEXT(name) { BOOST_TEST(differences(shown, after[name]) == ""); }
  }
  auto world = ext4.world();
  for (auto const& [name, shown] : before) world->remove(name);
  BOOST_TEST(world->layers() == 0U);
}

// 60 snapshots in a row: stacks of up to 50 layers, and one that was flattened.
BOOST_FIXTURE_TEST_CASE(high_stacks_and_flattened_ones_are_moved, Places) {
  {
    auto world = ext4.world();
    world->create("db");
    for (int moment = 0; moment < 60; ++moment) {
      fs::path volume = world->mount("db", "writer");
      World::write(volume / std::to_string(moment), std::string(5000, 'x'));
      if (moment > 0) {
        BOOST_TEST(chmod((volume / std::to_string(moment - 1)).c_str(), 0400) == 0);
      }
      world->unmount("db", "writer");
      world->snapshot("db", "s" + std::to_string(moment));
    }
  }
  Shows before = ext4.shows();
  move(ext4, xfs);
  Shows after = xfs.shows();
  BOOST_TEST(after.size() == 61U);
  for (auto const& [name, shown] : before) {
    BOOST_TEST_CONTEXT(name) { BOOST_TEST(differences(shown, after[name]) == ""); }
  }
}

BOOST_FIXTURE_TEST_CASE(layers_that_several_volumes_have_are_copied_once, Places) {
  {
    auto world = ext4.world();
    world->create_with("db", "file", "x");
    world->snapshot("db", "s1");
    world->create("dev", {{"clone-of", "s1"}});
  }
  std::size_t layers = sys::list_dir(ext4.pool() / "layers").size();
  move(ext4, xfs);
  BOOST_TEST(sys::list_dir(xfs.pool() / "layers").size() == layers);
}

BOOST_FIXTURE_TEST_CASE(a_volume_that_is_in_both_pools_is_removed_where_it_was, Places) {
  fill(*ext4.world());
  Shows before = ext4.shows();
  fs::path saved = ext4.media.path / "saved";
  tree::copy_tree(ext4.pool(), (sys::make_dir(saved), saved));
  move(ext4, xfs);
  fs::remove_all(ext4.pool());
  fs::rename(saved, ext4.pool());  // as if nothing had been removed
  for (auto const& pool : {ext4.pool(), xfs.pool()}) World::write(pool / "moving", "an id");
  BOOST_TEST(move(ext4, xfs) == before.size());
  BOOST_TEST(!pool::holds_trees(ext4.pool()));
  BOOST_TEST(xfs.shows().size() == before.size());
  for (auto const& pool : {ext4.pool(), xfs.pool()}) BOOST_TEST(!fs::exists(pool / "moving"));
}

BOOST_FIXTURE_TEST_CASE(an_old_copy_of_a_pool_is_not_taken_for_a_move_that_was_cut_short, Places) {
  ext4.world()->create_with("db", "file", "old");
  fs::path copy = ext4.media.path / "copy";
  tree::copy_tree(ext4.pool(), (sys::make_dir(copy), copy));
  move(ext4, xfs);
  {
    auto world = xfs.world();
    write_in(*world, "db", "file", "new");
  }
  fs::remove_all(ext4.pool());
  fs::rename(copy, ext4.pool());
  BOOST_TEST(contains(sentence(ext4, xfs), "no move has made them"));
  BOOST_TEST(contains(sentence(xfs, ext4), "no move has made them"));
  BOOST_TEST(ext4.world()->content("db", "file") == "old");
  BOOST_TEST(xfs.world()->content("db", "file") == "new");
}

BOOST_FIXTURE_TEST_CASE(two_different_volumes_of_one_name_are_both_kept, Places) {
  ext4.world()->create_with("db", "file", "of ext4");
  xfs.world()->create_with("db", "file", "of xfs");
  BOOST_TEST(contains(sentence(ext4, xfs), "there are two volumes \"db\""));
  BOOST_TEST(ext4.world()->content("db", "file") == "of ext4");
  BOOST_TEST(xfs.world()->content("db", "file") == "of xfs");
}

BOOST_FIXTURE_TEST_CASE(a_volume_that_a_container_still_uses_moves_nothing, Places) {
  ext4.world()->create_with("db", "file", "x");
  fs::path kept = ext4.media.path / "container";
  fs::create_directory(kept);
  {
    auto world = ext4.world();
    sys::bind(world->mount("db", "id"), kept);
  }
  unmount_all(ext4.media.path / "mnt");
  BOOST_TEST(contains(sentence(ext4, xfs), "volume \"db\" cannot be moved: it is still in use"));
  BOOST_TEST(ext4.records().size() == 1U);
  sys::unmount(kept);
  BOOST_TEST(sentence(ext4, xfs) == "");
}

BOOST_FIXTURE_TEST_CASE(a_clone_that_a_container_still_uses_moves_nothing, Places) {
  fs::path kept = ext4.media.path / "container";
  fs::create_directory(kept);
  {
    auto world = ext4.world();
    world->create_with("db", "file", "x");
    world->snapshot("db", "seed");
    sys::bind(world->mount("seed", "id"), kept);
  }
  unmount_all(ext4.media.path / "mnt");
  BOOST_TEST(contains(sentence(ext4, xfs), "containers still use them"));
  BOOST_TEST(ext4.records().size() == 2U);
  BOOST_TEST(sys::read_file(kept / "file") == "x");
  sys::unmount(kept);
  BOOST_TEST(sentence(ext4, xfs) == "");
}

BOOST_FIXTURE_TEST_CASE(a_damaged_record_moves_nothing, Places) {
  {
    auto world = ext4.world();
    world->create_with("db", "file", "x");
    world->create_with("other", "file", "x");
  }
  sys::write_file(ext4.pool() / "volumes/db/volume.json", "{", sys::Durability::process);
  BOOST_TEST(contains(sentence(ext4, xfs), "volume \"db\" in the pool on ext4 cannot be moved"));
  BOOST_TEST(xfs.records().empty());
  BOOST_TEST(ext4.records().size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(what_does_not_fit_stays_where_it_is, Places) {
  {
    auto world = ext4.world();
    world->create("db");
    write_at(world->mount("db", "id") / "large", 0, 100 << 20);
    world->unmount("db", "id");
  }
  write_at(xfs.media.path / "filler", 0, 360 << 20);
  BOOST_TEST(contains(sentence(ext4, xfs), "there is no room to move volume \"db\""));
  BOOST_TEST(ext4.records().size() == 1U);
  fs::remove(xfs.media.path / "filler");
  BOOST_TEST(sentence(ext4, xfs) == "");
}

// A link of more than 1023 bytes, which xfs does not take.
BOOST_FIXTURE_TEST_CASE(what_the_other_file_system_cannot_hold_stays_where_it_is, Places) {
  {
    auto world = ext4.world();
    world->create_with("brief", "file", "x");
    world->create("long");
    fs::create_symlink(std::string(2000, 'l'), world->mount("long", "id") / "link");
    world->unmount("long", "id");
  }
  std::string said = sentence(ext4, xfs);
  BOOST_TEST(contains(said, "volume \"long\" cannot be moved, and is where it was"));
  BOOST_TEST(contains(said, "File name too long"));
  BOOST_TEST(ext4.records().count("long") == 1U);
  BOOST_TEST(xfs.records().count("brief") == 1U);
  BOOST_TEST(sentence(xfs, ext4) == "");
  BOOST_TEST(ext4.shows().size() == 2U);
  BOOST_TEST(!pool::holds_trees(xfs.pool()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
