// SPDX-License-Identifier: Apache-2.0
#include "conformance/ground.hpp"
#include "tree/copy_tree.hpp"

#include <random>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

// Random trees and random operations, against plain directories to which the same is done.
namespace snapclone::test {
namespace {

using Random = std::minstd_rand;

// Does random things to a plain directory and exactly the same to what snapclone has mounted.
class Scribbler {
 public:
  // Hard links are left out where an overlay breaks them at their first write (docs/limits.md).
  Scribbler(Random& random, fs::path model, bool links)
      : random_(random), model_(std::move(model)), links_(links) {}

  void scribble(fs::path const& mounted, int operations) {
    for (int i = 0; i < operations; ++i) {
      both_ = {model_, mounted};
      step();
    }
  }

 private:
  unsigned below(std::size_t limit) { return static_cast<unsigned>(random_() / 7 % limit); }

  std::vector<std::string> all(bool (*wanted)(fs::path const&)) {
    std::vector<std::string> found;
    for (auto const& entry : fs::recursive_directory_iterator(model_)) {
      if (wanted(entry.path())) found.push_back(entry.path().lexically_relative(model_).string());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  static bool directory(fs::path const& path) {
    return fs::symlink_status(path).type() == fs::directory_file;
  }
  static bool anything(fs::path const& /*path*/) { return true; }
  static bool lone_file(fs::path const& path) {
    return fs::symlink_status(path).type() == fs::regular_file && fs::hard_link_count(path) == 1;
  }
  static bool alone(fs::path const& path) { return directory(path) || lone_file(path); }

  // A path in the tree; "" if there is none.
  std::string some(bool (*wanted)(fs::path const&)) {
    auto found = all(wanted);
    return found.empty() ? "" : found[below(found.size())];
  }
  std::string new_path() {
    std::string parent = below(3) == 0 ? "" : some(directory);
    return (fs::path(parent) / ("n" + std::to_string(++names_))).string();
  }

  template <class Call>
  void on_both(std::string const& what, Call const& call) {
    for (auto const& root : both_) {
      if (call(root) != 0) sys::fail(what, root.string());
    }
  }

  void write_somewhere(std::string const& path, int flags) {
    off_t at = below(3) == 0 ? below(200000) : below(3000);
    std::string text(below(6000), static_cast<char>('a' + below(26)));
    on_both("write", [&](fs::path const& root) {
      sys::Fd fd(open((root / path).c_str(), O_WRONLY | O_CLOEXEC | flags, 0644));
      return pwrite(fd.get(), text.data(), text.size(), at) < 0 ? -1 : 0;
    });
  }

  void step() {
    std::string path = some(alone);
    std::string fresh = new_path();
    std::string target = "to " + path;
    switch (below(14)) {
      case 0:
      case 1:
        return write_somewhere(fresh, O_CREAT | O_EXCL);
      case 2:
      case 3:
        if (std::string file = some(lone_file); !file.empty()) write_somewhere(file, 0);
        return;
      case 4:
        if (std::string file = some(lone_file); !file.empty()) {
          off_t size = below(300000);
          on_both("cut", [&](auto const& root) { return truncate((root / file).c_str(), size); });
        }
        return;
      case 5:
      case 6:
        return on_both("make",
                       [&](auto const& root) { return mkdir((root / fresh).c_str(), 0755); });
      case 7:
      case 8:
        return rename(some(anything), fresh);
      case 9:
        if (below(2) == 0) return;
        if (std::string gone = some(anything); !gone.empty()) {
          for (auto const& root : both_) fs::remove_all(root / gone);
        }
        return;
      case 10:
        return on_both("link", [&](auto const& root) {
          return symlink(target.c_str(), (root / fresh).c_str());
        });
      case 11:
        return change(path);
      case 12:
        if (std::string file = some(lone_file); links_ && !file.empty()) {
          on_both("link", [&](auto const& root) {
            return link((root / file).c_str(), (root / fresh).c_str());
          });
        }
        return;
      default:
        return on_both("make",
                       [&](auto const& root) { return mkfifo((root / fresh).c_str(), 0600); });
    }
  }

  void rename(std::string const& from, std::string const& fresh) {
    bool inside = fresh.rfind(from + "/", 0) == 0;
    if (from.empty() || inside) return;
    std::string onto = some(lone_file);
    bool replaces = lone_file(model_ / from) && !onto.empty() && below(2) == 0;
    on_both("rename", [&](auto const& root) {
      return ::rename((root / from).c_str(), (root / (replaces ? onto : fresh)).c_str());
    });
  }

  void change(std::string const& path) {
    if (path.empty()) return;
    mode_t mode = 0700 | below(01000);
    uid_t owner = below(5000);
    std::string value(below(100), 'v');
    on_both("change", [&](auto const& root) {
      std::string at = (root / path).string();
      int bad = chown(at.c_str(), owner, owner) + chmod(at.c_str(), mode);
      return bad + setxattr(at.c_str(), "trusted.mine", value.data(), value.size(), 0);
    });
  }

  Random& random_;
  fs::path const model_;
  bool const links_;
  std::vector<fs::path> both_;
  static inline int names_ = 0;
};

Manifest without_holes(Manifest all) {
  for (auto& [path, shown] : all) {
    std::erase_if(shown, [](auto const& item) { return item.first.rfind("data at ", 0) == 0; });
  }
  return all;
}

// Two trees that are written one after the other have other times, and holes where each file system
// likes them.
Manifest without_times(fs::path const& root) {
  Manifest all = without_holes(manifest(root));
  for (auto& [path, shown] : all) {
    shown.erase("mtime");
    shown.erase("atime");
    if (fs::symlink_status(root / path).type() == fs::regular_file) {
      std::ifstream file((root / path).string(), std::ios::binary);
      shown["content"] = std::string(std::istreambuf_iterator<char>(file), {});
    }
  }
  all.at("").clear();
  return all;
}

// A snapshot, what was done to a plain directory meanwhile, and what its first clone showed.
struct Moment {
  std::string name;
  fs::path model;
  Manifest first;
};

class History {
 public:
  History(Conforming& world, unsigned seed)
      : world_(world),
        random_(seed),
        name_("db" + std::to_string(seed)),
        models_(world.disk.path / ("models" + std::to_string(seed))) {
    fs::create_directory(models_);
    fs::create_directory(models_ / "volume");
    world_.create(name_);
  }

  void go_on() {
    change(name_, models_ / "volume", 40);
    std::string name = name_ + "-" + std::to_string(made_++);
    world_.snapshot(name_, name);
    moments_.push_back({name, model_of(models_ / "volume", name), shown_first(name)});
    Moment const& from = moments_[below(moments_.size())];
    use_clones(from);
    if (random_() / 7 % 2 == 0) world_.restart();
  }

  // Removes a snapshot, and gives back what it alone showed.
  void forget() {
    auto moment = moments_.begin() + static_cast<int>(below(moments_.size()));
    world_.remove(moment->name);
    moments_.erase(moment);
    world_.process->trash.wait();  // clones that are being deleted still use their layers
    world_.process->store.parts().pruner.round();
  }

  void check() {
    for (auto const& moment : moments_) {
      BOOST_TEST_CONTEXT(moment.name) {
        Manifest now = world_.shown(moment.name);
        if (!holes_last()) now = without_holes(now);
        BOOST_TEST(differences_shown(moment.first, now) == "");
        same(moment.name, moment.model);
      }
    }
    same(name_, models_ / "volume");
  }

 private:
  std::size_t below(std::size_t limit) { return random_() / 7 % limit; }

  // On tmpfs before Linux 5.18 a hole that is read is filled (docs/kernels.md). xfs calls data what
  // it has allocated and nobody has written, while that is in the page cache.
  bool holes_last() const {
    return world_.ground.filesystem != "tmpfs" && world_.ground.filesystem != "xfs";
  }

  Manifest shown_first(std::string const& name) {
    Manifest first = world_.shown(name);
    return holes_last() ? first : without_holes(first);
  }

  // Two clones at once, one of them kept as a snapshot and as a volume that goes on.
  void use_clones(Moment const& from) {
    std::string base = from.name + "-" + std::to_string(++clones_);
    fs::path one = model_of(from.model, base + "-one");
    fs::path two = model_of(from.model, base + "-two");
    fs::path first = world_.mount(from.name, "one");
    fs::path second = world_.mount(from.name, "two");
    for (int turn = 0; turn < 2; ++turn) {
      Scribbler(random_, one, !world_.layered()).scribble(first, 12);
      Scribbler(random_, two, !world_.layered()).scribble(second, 12);
    }
    BOOST_TEST(differences(without_times(one), without_times(first)) == "");
    BOOST_TEST(differences(without_times(two), without_times(second)) == "");
    world_.create(base + "-kept", {{"snapshot-of", from.name + "@one"}});
    world_.create(base + "-dev", {{"clone-of", from.name + "@two"}});
    world_.unmount(from.name, "one");
    world_.unmount(from.name, "two");
    same(base + "-kept", one);
    change(base + "-dev", two, 20);
    same(base + "-dev", two);
  }

  void change(std::string const& volume, fs::path const& model, int operations) {
    fs::path mounted = world_.mount(volume, "writer");
    Scribbler(random_, model, !world_.layered()).scribble(mounted, operations);
    BOOST_TEST(differences(without_times(model), without_times(mounted)) == "");
    world_.unmount(volume, "writer");
  }

  void same(std::string const& name, fs::path const& model) {
    fs::path mounted = world_.mount(name, "looker");
    BOOST_TEST(differences(without_times(model), without_times(mounted)) == "");
    world_.unmount(name, "looker");
  }

  fs::path model_of(fs::path const& model, std::string const& name) {
    fs::create_directory(models_ / name);
    tree::copy_tree(model, models_ / name);
    return models_ / name;
  }

  Conforming& world_;
  Random random_;
  std::string const name_;
  fs::path const models_;
  std::vector<Moment> moments_;
  int made_ = 0;
  int clones_ = 0;
};

}  // namespace

PROMISE(giving_back_what_removed_snapshots_showed_changes_nothing_that_is_left) {
  History history(world, 11);
  for (int moment = 0; moment < 6; ++moment) {
    history.go_on();
    if (moment % 3 != 0) history.forget();
  }
  history.check();
  world.boot();
  history.forget();
  history.check();
  world.check_all_is_gone();
}

PROMISE(
    whatever_is_done_a_clone_is_its_snapshot_and_its_own_changes_and_the_snapshot_never_changes) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      History history(world, seed);
      for (int moment = 0; moment < 4; ++moment) history.go_on();
      history.check();
      world.boot();
      history.check();
    }
  }
  world.check_all_is_gone();
}

}  // namespace snapclone::test
