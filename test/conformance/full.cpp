// SPDX-License-Identifier: Apache-2.0
#include "conformance/full.hpp"

#include "kit/eventually.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

// A pool whose file system takes nothing any more, because it is full or read-only.
namespace snapclone::test {
namespace {

class PoolFiller final : public Filler {
 public:
  explicit PoolFiller(fs::path directory) : path_(std::move(directory)) {
    spend_disk();
    fs::create_directory(path_);
    struct statvfs room {};
    BOOST_REQUIRE(statvfs(path_.c_str(), &room) == 0);
    auto bytes = static_cast<off_t>(room.f_bavail * room.f_frsize) - kRest;
    if (bytes > 0) posix_fallocate(created("most").get(), 0, bytes);
    fill();
  }
  ~PoolFiller() override { end(); }
  PoolFiller(PoolFiller const&) = delete;
  PoolFiller& operator=(PoolFiller const&) = delete;

  // Until nothing goes any more, whatever has been freed meanwhile. The last pieces are the
  // smallest.
  void fill() override {
    for (std::size_t size : {1U << 20U, 1U << 17U, kSmallest}) {
      while (grow(size)) {
      }
    }
  }

  // Makes room for a block, or a name. Says whether there was something to take away.
  bool give() override {
    if (files_ == 0) return false;
    fs::remove(path_ / std::to_string(files_--));
    sys::sync_filesystem(sys::open_dir(path_).get());
    return true;
  }

  void end() override {
    fs::remove_all(path_);
    sys::sync_filesystem(sys::open_dir(path_.parent_path()).get());
  }

 private:
  static constexpr off_t kRest = 8 << 20;
  static constexpr unsigned kSmallest = 1024;  // which btrfs keeps among its metadata

  sys::Fd created(std::string const& name) {
    return sys::Fd(open((path_ / name).c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600));
  }
  bool grow(std::size_t size) {
    std::string name = std::to_string(files_ + 1);
    sys::Fd fd = created(name);
    if (fd.get() < 0) return false;
    std::string const content(size, 'x');
    bool whole = write(fd.get(), content.data(), size) == static_cast<ssize_t>(size);
    if (fsync(fd.get()) == 0 && whole) return ++files_ > 0;
    fs::remove(path_ / name);
    return false;
  }

  fs::path const path_;
  int files_ = 0;
};

// 0 if it succeeds.
int failure(std::function<void()> const& verb) {
  try {
    verb();
    return 0;
  } catch (sys::Error const& error) {
    return error.code();
  }
}

void make_read_only(fs::path directory, bool read_only) {
  while (!sys::is_mounted(directory)) directory = directory.parent_path();
  unsigned long flags = MS_REMOUNT | MS_NOATIME | (read_only ? MS_RDONLY : 0);
  if (::mount(nullptr, directory.c_str(), nullptr, flags, nullptr) != 0) {
    sys::fail("remount", directory.string());
  }
}

void check_all_is_there(Conforming& world) {
  BOOST_TEST(world.content("seed", "file") == "sealed");
  BOOST_TEST(world.content("dev", "file") == "sealed");
  BOOST_TEST(world.content("db", "file") == "later");
  world.check_all_is_gone();
}

}  // namespace

Verbs verbs_on(Conforming& world) {
  return {
      {"create", [&] { world.create("new"); }},
      {"seal", [&] { world.snapshot("dev", "new"); }},
      {"clone",
       [&] {
         world.create("new", {{"clone-of", "seed"}});
       }},
      {"capture",
       [&] {
         world.create("new", {{"snapshot-of", "db"}, {"live", "true"}});
       }},
      {"keep",
       [&] {
         world.create("new", {{"snapshot-of", "seed@live"}});
       }},
      {"mount a snapshot", [&] { world.mount("seed", "new"); }},
      {"mount a volume", [&] { world.mount("dev", "new"); }},
  };
}

void prepare(Conforming& world) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  world.create("dev", {{"clone-of", "seed"}});
  World::write(world.mount("seed", "live") / "own", "live");
  World::write(world.mount("db", "writer") / "file", "later");
}

void check_nothing_has_changed(Conforming& world) {
  BOOST_TEST(!world.find("new"));
  BOOST_TEST(world.live_clones("seed") == 1U);
  BOOST_TEST(world.process->catalogue.counts(volume::VolumeName("dev")).empty());
}

void finish(Conforming& world) {
  BOOST_TEST(World::read(world.mount("seed", "live") / "own") == "live");
  for (int i = 0; i < 2; ++i) world.unmount("seed", "live");
  world.unmount("db", "writer");
  check_all_is_there(world);
}

void check_creates_refused(Conforming& world, std::string const& why) {
  for (auto const& [name, verb] : verbs_on(world)) {
    if (contains(name, "mount")) continue;
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(contains(refusal(verb), why));
      check_nothing_has_changed(world);
    }
  }
}

void check_verbs_on_a_full_disk(Conforming& world, Filler& filler) {
  for (auto const& [name, verb] : verbs_on(world)) {
    BOOST_TEST_CONTEXT(name) {
      std::size_t layers = world.layers();
      filler.fill();
      int failures = 0;
      while (int code = failure(verb)) {
        ++failures;
        BOOST_TEST(code == ENOSPC);
        check_nothing_has_changed(world);
        BOOST_TEST(world.layers() <= layers + 1);  // a volume that was sealed may have one more
        BOOST_TEST(World::entries(world.pool() / "staging") == 0U);
        BOOST_REQUIRE(filler.give());
      }
      BOOST_TEST(failures > 0);
      world.unmount("seed", "new");
      world.unmount("dev", "new");
      if (world.find("new")) world.remove("new");
    }
  }
  filler.end();
  finish(world);
}

fs::path use_some(Conforming& world) {
  world.create_with("db", "file", "sealed");
  world.snapshot("db", "seed");
  world.create("work");
  fs::path clone = world.mount("seed", "live");
  World::write(clone / "own", "live");
  World::write(world.mount("work", "live") / "file", "kept");
  world.process->pool.keep_reserve();
  return clone;
}

void check_ends_removals_and_starts(Conforming& world, Filler& filler, fs::path const& clone) {
  BOOST_TEST(world.mount("seed", "live") == clone);
  world.restart();
  BOOST_TEST(World::read(clone / "own") == "live");
  for (int i = 0; i < 2; ++i) world.unmount("seed", "live");
  BOOST_TEST(world.live_clones("seed") == 0U);
  BOOST_TEST(world.trash() == 0U);
  world.process->pool.keep_reserve();
  filler.fill();
  world.boot();
  world.remove("seed");
  world.remove("db");
  BOOST_TEST(world.layers() == 1U);
  filler.end();
  BOOST_TEST(world.content("work", "file") == "kept");
  world.check_all_is_gone();
}

PROMISE(wherever_a_verb_finds_the_disk_full_nothing_has_changed) {
  world.checks_room = false;  // it became full when the plugin had looked
  world.restart();
  prepare(world);
  PoolFiller filler(world.disk.path / "filler");
  check_verbs_on_a_full_disk(world, filler);
}

PROMISE(a_full_disk_keeps_nothing_from_being_ended_removed_or_started) {
  fs::path clone = use_some(world);
  PoolFiller filler(world.disk.path / "filler");
  check_ends_removals_and_starts(world, filler, clone);
}

PROMISE_WHERE(create_says_in_time_that_the_image_is_full, ground.in_image) {
  prepare(world);
  auto looked = [&] {
    world.process->space->round();
    return true;
  };
  {
    PoolFiller filler(world.disk.path / "filler");
    looked();
    check_creates_refused(world, "is full. Remove volumes");
  }
  // xfs frees what was deleted in the background.
  BOOST_TEST(eventually([&] { return looked() && world.process->space->no_room().empty(); }));
  BOOST_CHECK_NO_THROW(world.create("roomy"));
  finish(world);
}

PROMISE(on_a_read_only_disk_nothing_changes_and_what_ended_meanwhile_goes_afterwards) {
  prepare(world);
  fs::path ended = world.mount("seed", "short");
  make_read_only(world.disk.path, true);
  BOOST_TEST(World::read(world.mount("seed", "live") / "own") == "live");
  world.unmount("seed", "live");
  world.unmount("seed", "short");
  BOOST_TEST(!fs::exists(ended));
  for (auto const& [name, verb] : verbs_on(world)) {
    BOOST_TEST_CONTEXT(name) {
      BOOST_TEST(failure(verb) == EROFS);
      check_nothing_has_changed(world);
    }
  }
  BOOST_TEST(failure([&] { world.remove("dev"); }) == EROFS);
  BOOST_CHECK_EXCEPTION(world.restart(), sys::Error,
                        [](auto const& error) { return error.code() == EROFS; });
  make_read_only(world.disk.path, false);
  world.restart();
  // Where nobody can be asked, a clone whose end could not be written down is kept until a boot.
  BOOST_TEST(world.trash() == (world.process->backend.can_probe() ? 0U : 1U));
  world.boot();
  check_all_is_there(world);
}

}  // namespace snapclone::test
