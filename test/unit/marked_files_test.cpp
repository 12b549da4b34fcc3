// SPDX-License-Identifier: Apache-2.0
#include "kit/manifest.hpp"
#include "kit/world.hpp"
#include "tree/copy_tree.hpp"

#include <algorithm>
#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

// Files of which an upper has a mark and attributes, and a layer below the content (metacopy).
namespace snapclone::test {
namespace {

constexpr char kMark[] = "trusted.overlay.metacopy";

// Does the same random things to a plain directory and to what snapclone mounted. Most of them
// change a file without its content.
class Changes {
 public:
  Changes(std::minstd_rand& random, fs::path plain, fs::path mounted)
      : random_(random), plain_(std::move(plain)), both_{plain_, std::move(mounted)} {}

  void make(int number) {
    while (--number >= 0) step();
  }

 private:
  unsigned below(std::size_t limit) { return static_cast<unsigned>(random_() / 7 % limit); }

  // A path; "" if there is none. A file with several names breaks at its first change on overlayfs.
  std::string some(fs::file_type type, bool lone = true) {
    std::vector<std::string> found;
    for (auto const& entry : fs::recursive_directory_iterator(plain_)) {
      if (entry.symlink_status().type() != type) continue;
      if (lone && type == fs::regular_file && fs::hard_link_count(entry) > 1) continue;
      found.push_back(entry.path().lexically_relative(plain_).string());
    }
    std::sort(found.begin(), found.end());
    return found.empty() ? "" : found[below(found.size())];
  }

  std::string new_path() {
    return (fs::path(some(fs::directory_file)) / ("n" + std::to_string(++names_))).string();
  }

  template <class Call>
  void on_both(char const* step, Call const& call) {
    for (auto const& root : both_) {
      if (call(root) < 0) sys::fail(step, root.string());
    }
  }

  // Times too, which are the same in both trees then.
  void write_to(std::string const& path, int flags) {
    std::string text(1 + below(5000), static_cast<char>('a' + below(26)));
    off_t at = below(6000);
    on_both("write", [&](fs::path const& root) {
      sys::Fd fd(open((root / path).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644));
      return pwrite(fd.get(), text.data(), text.size(), at);
    });
    set_time(path);
  }

  void set_time(std::string const& path) {
    timespec const time{1'000'000 + ++times_, 0};
    timespec const both[] = {time, time};
    on_both("set the time of", [&](fs::path const& root) {
      return utimensat(AT_FDCWD, (root / path).c_str(), both, 0);
    });
  }

  void rename(std::string const& from, std::string const& to) {
    if (from.empty() || to.rfind(from + "/", 0) == 0) return;
    on_both("rename", [&](fs::path const& root) {
      return ::rename((root / from).c_str(), (root / to).c_str());
    });
  }

  void step() {
    std::string file = some(fs::regular_file);
    unsigned what = below(16);
    if (file.empty() || what < 2) return write_to(new_path(), O_EXCL);
    mode_t mode = 0400 | below(0400);
    uid_t owner = below(5000);
    switch (what) {
      case 2:
      case 3:
        return on_both("change the mode of",
                       [&](auto const& root) { return chmod((root / file).c_str(), mode); });
      case 4:
      case 5:
        return on_both("change the owner of", [&](auto const& root) {
          return chown((root / file).c_str(), owner, owner);
        });
      case 6:
        return set_time(file);
      case 7:
      case 8:
        return rename(file, new_path());
      case 9:
        return rename(file, some(fs::regular_file));
      case 10:
        return rename(some(fs::directory_file), new_path());
      case 11: {
        std::string name = new_path();
        return on_both("link", [&](auto const& root) {
          return link((root / file).c_str(), (root / name).c_str());
        });
      }
      case 12: {
        std::string name = new_path();
        return on_both("make directory",
                       [&](auto const& root) { return mkdir((root / name).c_str(), 0755); });
      }
      case 13: {
        off_t size = below(8000);
        on_both("cut", [&](auto const& root) { return truncate((root / file).c_str(), size); });
        return set_time(file);
      }
      case 14: {
        std::string any = some(fs::regular_file, false);
        return on_both("unlink", [&](auto const& root) { return unlink((root / any).c_str()); });
      }
      default:
        return write_to(file, below(3) == 0 ? O_TRUNC : 0);
    }
  }

  std::minstd_rand& random_;
  fs::path const plain_;
  std::vector<fs::path> const both_;
  static inline int names_ = 0;
  static inline int times_ = 0;
};

// Without what a plain directory and an overlay may differ in: times of directories, which names
// are of one file once one of them was changed (docs/limits.md), and where holes are.
Manifest comparable(fs::path const& root) {
  Manifest all = manifest(root);
  for (auto& [path, shown] : all) {
    std::erase_if(shown, [](auto const& item) {
      return item.first == "atime" || item.first == "names" || item.first == "same as" ||
             item.first.rfind("data at ", 0) == 0;
    });
    if (fs::is_directory(root / path)) {
      shown.erase("mtime");
    } else {
      shown["content"] = World::read(root / path);
    }
  }
  all.at("").clear();
  return all;
}

struct Marked : World {
  fs::path const plain = disk.path / "plain";

  Marked() { fs::create_directory(plain); }

  Manifest shown(std::string const& name) {
    Manifest all = comparable(mount(name, "looker"));
    unmount(name, "looker");
    return all;
  }

  // Of all layers in the pool.
  std::size_t marked_files() const {
    std::size_t found = 0;
    for (auto const& entry : fs::recursive_directory_iterator(pool() / "layers")) {
      if (entry.symlink_status().type() != fs::regular_file) continue;
      if (lgetxattr(entry.path().c_str(), kMark, nullptr, 0) >= 0) ++found;
    }
    return found;
  }

  // One clone that is kept, and another one beside it that goes.
  void use_clones(std::minstd_rand& random, std::string const& from, fs::path const& model) {
    fs::path copy = disk.path / ("plain-" + from);
    fs::create_directory(copy);
    tree::copy_tree(model, copy);
    fs::path clone = mount(from, "one");
    fs::path other = mount(from, "two");
    Changes(random, copy, clone).make(15);
    BOOST_TEST(differences(comparable(copy), comparable(clone)) == "");
    BOOST_TEST(differences(comparable(model), comparable(other)) == "");
    snapshot(from + "@one", from + "-kept");
    unmount(from, "one");
    unmount(from, "two");
    BOOST_TEST(differences(comparable(copy), shown(from + "-kept")) == "");
    fs::remove_all(copy);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(marked_files, Marked)

BOOST_AUTO_TEST_CASE(changing_owner_mode_time_or_name_of_a_file_copies_nothing_of_its_content) {
  create("db");
  fs::path volume = mount("db", "id");
  std::string const text(100'000, 'x');
  for (auto const* name : {"owner", "mode", "time", "name", "link"}) write(volume / name, text);
  unmount("db", "id");
  snapshot("db", "seed");
  volume = mount("db", "id");
  BOOST_TEST(chown((volume / "owner").c_str(), 1000, 1000) == 0);
  BOOST_TEST(chmod((volume / "mode").c_str(), 0400) == 0);
  timespec const times[] = {{1, 0}, {1, 0}};
  BOOST_TEST(utimensat(AT_FDCWD, (volume / "time").c_str(), times, 0) == 0);
  BOOST_TEST(rename((volume / "name").c_str(), (volume / "renamed").c_str()) == 0);
  BOOST_TEST(link((volume / "link").c_str(), (volume / "linked").c_str()) == 0);
  unmount("db", "id");
  for (auto const* name : {"owner", "mode", "time", "renamed", "link", "linked"}) {
    BOOST_TEST_CONTEXT(name) {
      struct stat status {};
      fs::path upper = process->pool.layer(find("db")->record.upper) / "fs" / name;
      BOOST_TEST(stat(upper.c_str(), &status) == 0);
      BOOST_TEST(status.st_blocks == 0);
    }
  }
  snapshot("db", "later");
  for (auto const* name : {"owner", "mode", "time", "renamed", "link", "linked"}) {
    BOOST_TEST(content("later", name) == text);
  }
}

// The kernel keeps the way to the content as an attribute of at most 256 bytes (redirect_max).
BOOST_AUTO_TEST_CASE(
    a_file_with_a_long_path_can_be_renamed_in_its_directory_and_once_it_was_written) {
  fs::path deep;
  for (int depth = 0; depth < 5; ++depth) deep /= std::string(60, 'd');
  create("db");
  fs::path volume = mount("db", "id");
  fs::create_directories(volume / deep);
  for (auto const* name : {"stays", "moves", "written"}) write(volume / deep / name, name);
  unmount("db", "id");
  snapshot("db", "seed");
  fs::path clone = mount("seed", "id");
  auto renamed = [&](fs::path const& from, fs::path const& to) {
    return rename((clone / from).c_str(), (clone / to).c_str()) == 0;
  };
  BOOST_TEST(renamed(deep / "stays", deep / "there"));
  BOOST_TEST(!renamed(deep / "moves", "moves"));
  BOOST_TEST(errno == EXDEV);
  write(clone / deep / "written", "new");
  BOOST_TEST(renamed(deep / "written", "written"));
  BOOST_TEST(read(clone / deep / "there") == "stays");
  BOOST_TEST(read(clone / "written") == "new");
}

// The stack is flattened on the way: a snapshot past the 50th layer is a copy of what they show.
BOOST_AUTO_TEST_CASE(every_snapshot_shows_what_the_volume_showed_after_random_changes) {
  std::minstd_rand random(12);
  std::vector<Manifest> moments;
  std::size_t marks = 0;
  create("db");
  Changes(random, plain, mount("db", "id")).make(150);
  unmount("db", "id");
  for (int moment = 0; moment < 60; ++moment) {
    fs::path volume = mount("db", "id");
    Changes(random, plain, volume).make(10);
    moments.push_back(comparable(plain));
    BOOST_REQUIRE(differences(moments.back(), comparable(volume)) == "");
    unmount("db", "id");
    std::string name = "seed" + std::to_string(moment);
    snapshot("db", name);
    BOOST_REQUIRE(differences(moments.back(), shown(name)) == "");
    if (moment % 5 == 0) use_clones(random, name, plain);
    marks = std::max(marks, marked_files());
  }
  restart();
  for (std::size_t moment = 0; moment < moments.size(); ++moment) {
    BOOST_REQUIRE(differences(moments[moment], shown("seed" + std::to_string(moment))) == "");
  }
  BOOST_TEST(marks > 100U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
