// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"
#include "kit/image_media.hpp"
#include "kit/leftovers.hpp"
#include "kit/private_mounts.hpp"
#include "kit/privileges.hpp"
#include "kit/reboot.hpp"
#include "kit/requirements.hpp"
#include "sys/system_calls.hpp"

#include <stdexcept>

#include <sys/mount.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

// The file system of the ground that is being tested; a new pool on it for every promise.
class GroundMedia {
 public:
  explicit GroundMedia(Ground const& ground) : name(ground.name) {
    if (ground.in_image) {
      image_.emplace();
      root_ = image_->path;
      return;
    }
    media_.emplace(ground.filesystem == "overlay" ? "tmpfs" : ground.filesystem);
    root_ = media_->path;
    if (ground.filesystem == "overlay") put_overlay_on_it();
  }
  ~GroundMedia() {
    if (media_ && root_ != media_->path) sys::unmount(root_);
  }
  GroundMedia(GroundMedia const&) = delete;
  GroundMedia& operator=(GroundMedia const&) = delete;

  fs::path new_directory() {
    fs::path path = root_ / ("pool" + std::to_string(++pools_));
    fs::create_directory(path);
    return path;
  }

  std::optional<InImage> in_image() const {
    if (!image_) return std::nullopt;
    return InImage{image_->image, image_->path};
  }

  // What is wrong with the image when nothing uses it any more.
  std::string end() { return image_ ? image_->end() : ""; }

  std::string const name;

 private:
  void put_overlay_on_it() {
    for (auto const* part : {"lower", "upper", "work", "merged"}) {
      fs::create_directory(root_ / part);
    }
    std::string base = root_.string();
    std::string options =
        "lowerdir=" + base + "/lower,upperdir=" + base + "/upper,workdir=" + base + "/work";
    fs::path merged = root_ / "merged";
    if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0) {
      sys::fail("mount an overlay on", merged.string());
    }
    root_ = merged;
  }

  std::optional<Media> media_;
  std::optional<ImageMedia> image_;
  fs::path root_;
  int pools_ = 0;
};

std::unique_ptr<GroundMedia> media;
bool spent = false;  // spend_disk()

void end_media() {
  if (media) BOOST_TEST(media->end() == "");
  media.reset();
  spent = false;
}

fs::path directory_on(Ground const& ground) {
  if (!media || spent || media->name != ground.name) {
    end_media();
    media = std::make_unique<GroundMedia>(ground);
  }
  return media->new_directory();
}

// What the plugin never calls, and these tests do in the place of containers and for fail_calls().
std::vector<std::string> const kOthersCalls = {
    "chown",     "dup",        "lchown",    "link",  "symlink", "truncate",
    "lgetxattr", "llistxattr", "lsetxattr", "prctl", "seccomp",
};

// The ground is made with more than the plugin may do, and all that happens on it with no more.
void test(Ground const& ground, Promise promise) {
  fs::path directory = directory_on(ground);
  unsigned before = sys::refused_calls();
  as_the_plugin(kOthersCalls, [&] {
    Conforming world(ground, directory, media->in_image());
    promise(world);
  });
  BOOST_TEST(sys::refused_calls() == before,
             "a system call was refused: see stderr for its number");
}

// So is it after each test that spends the disk.
void test_that_the_image_is_clean_at_the_end() {
  BOOST_TEST_REQUIRE(media.get() != nullptr, "none of the tests before has run");
  end_media();
}

// Without it no call would be counted above.
void test_that_calls_are_refused() {
  unsigned before = sys::refused_calls();
  as_the_plugin(kOthersCalls, [] { BOOST_TEST(chroot("/") == -1); });
  BOOST_TEST(sys::refused_calls() == before + 1);
}

}  // namespace

std::vector<Ground> const& grounds() {
  static std::vector<Ground> const all = {
      {"overlay on ext4", "ext4", "overlay", false},
      {"overlay on xfs", "xfs", "overlay", false},
      {"xfs in an image", "xfs", "overlay", false, true},
      {"overlay on tmpfs", "tmpfs", "overlay", false},
      {"btrfs", "btrfs", "btrfs", false},
      {"copy on ext4", "ext4", "copy"},
      {"copy on xfs", "xfs", "copy"},
      {"copy on btrfs", "btrfs", "copy"},
      {"copy on overlay", "overlay", "copy", false},
  };
  return all;
}

std::vector<NamedPromise>& promises() {
  static std::vector<NamedPromise> all;
  return all;
}

Registered::Registered(char const* name, Promise promise, Applies applies) {
  promises().push_back({name, promise, applies});
}

void spend_disk() { spent = true; }

Conforming::Conforming(Ground const& where, fs::path const& directory, std::optional<InImage> image)
    : World(directory, where.forced ? where.backend : "", std::move(image)), ground(where) {}

Manifest Conforming::shown(std::string const& name) {
  Manifest all = manifest(mount(name, "looker"));
  unmount(name, "looker");
  return all;
}

void Conforming::check_all_is_gone() {
  for (auto const& volume : process->catalogue.all()) remove(volume->record.name.text());
  process->trash.wait();
  BOOST_TEST(sys::list_dir(pool() / "volumes").empty());
  BOOST_TEST(leftovers(pool(), disk.path / "mnt", {.no_reserve = true}) == "");
}

void Conforming::boot() {
  process.reset();
  unmount_all();
  reboot(pool());
  start();
}

std::string differences_shown(Manifest const& a, Manifest const& b) {
  return differences(without_access_times(a), without_access_times(b));
}

}  // namespace snapclone::test

boost::unit_test::test_suite* init_unit_test_suite(int /*argc*/, char** /*argv*/) {
  using namespace snapclone::test;
  make_mounts_private();
  auto& master = boost::unit_test::framework::master_test_suite();
  master.p_name.value = "snapclone";
  auto* refusing = boost::unit_test::make_test_case(test_that_calls_are_refused,
                                                    "calls_that_the_plugin_never_makes_are_refused",
                                                    __FILE__, __LINE__);
  refusing->add_precondition(kernel_takes_filters);
  master.add(refusing);
  for (auto const& ground : grounds()) {
    auto* suite = BOOST_TEST_SUITE(ground.name);
    for (auto const& [name, promise, applies] : promises()) {
      if (!applies(ground)) continue;
      suite->add(boost::unit_test::make_test_case([&ground, call = promise] { test(ground, call); },
                                                  name, __FILE__, __LINE__));
    }
    if (ground.in_image) {
      suite->add(boost::unit_test::make_test_case(test_that_the_image_is_clean_at_the_end,
                                                  "its_image_is_clean_at_the_end", __FILE__,
                                                  __LINE__));
      suite->add_precondition(can_make("ext4"));
    } else if (ground.filesystem != "tmpfs" && ground.filesystem != "overlay") {
      suite->add_precondition(can_make(ground.filesystem));
    }
    master.add(suite);
  }
  return nullptr;
}
