// SPDX-License-Identifier: Apache-2.0
#include "kit/manifest.hpp"
#include "kit/world.hpp"

#include <cstdlib>

// Ordinary programs in a clone in memory: what they make of its st_dev and st_ino.
namespace snapclone::test {
namespace {

// A command of a shell, whose $FROM and $TO are directories.
void run(std::string const& command, fs::path const& from, fs::path const& to) {
  std::string line = "FROM=" + from.string() + " TO=" + to.string() + "; set -e; " + command;
  BOOST_REQUIRE_MESSAGE(std::system(line.c_str()) == 0, line);
}

constexpr char kSeed[] =
    "mkdir -p $TO/lib/deep; cd $TO; for i in 1 2 3 4 5 6; do echo content $i >lib/$i; ln lib/$i "
    "lib/deep/$i; done; echo sealed >single";

constexpr char kChanges[] =
    "cd $TO; mkdir new; for i in 1 2 3 4 5 6; do echo new $i >new/$i; ln new/$i lib/new$i; done; "
    "echo changed >single; mv lib/deep lib/moved; rm lib/6";

struct InMemory : World {
  InMemory() {
    create("db");
    run(kSeed, "/", mount("db", "writer"));
    unmount("db", "writer");
    create("seed", {{"snapshot-of", "db"}, {"medium", "memory"}, {"size", "16m"}});
    clone = mount("seed", "id");
    run(kSeed, "/", plain);
    for (auto const& tree : {clone, plain}) run(kChanges, "/", tree);
  }

  // The names in each tree, what is in them, and which of them are one file.
  static std::map<std::string, std::string> told(fs::path const& root) {
    std::map<std::string, std::string> all;
    for (auto& [path, shown] : manifest(root)) {
      if (path.empty()) continue;
      std::string text;
      for (auto const& [what, value] : shown) {
        if (what != "mtime" && what != "atime" && what != "links") text += what + "=" + value + " ";
      }
      all[path] = text;
    }
    return all;
  }

  // A program that copies makes the same of both.
  void copies(std::string const& command) {
    run("mkdir $TO; " + command, clone, disk.path / "of-clone");
    run("mkdir $TO; " + command, plain, disk.path / "of-plain");
    BOOST_TEST(told(disk.path / "of-clone").size() > 24U);
    BOOST_TEST((told(disk.path / "of-clone") == told(disk.path / "of-plain")), command);
  }

  // A program that counts or lists prints the same in both.
  void prints(std::string const& command) {
    fs::path out = disk.path / "out";
    run("cd $FROM; { " + command + "; } >$TO", clone, out);
    std::string in_clone = read(out);
    run("cd $FROM; { " + command + "; } >$TO", plain, out);
    BOOST_TEST(in_clone == read(out));
    BOOST_TEST(in_clone != "");
  }

  fs::path plain = disk.path / "plain";
  fs::path clone;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(memory, InMemory)

BOOST_AUTO_TEST_CASE(tar_stores_the_files_and_links_of_a_clone_in_memory) {
  copies("tar -C $FROM -cf - . | tar -C $TO -xf -");
}

BOOST_AUTO_TEST_CASE(tar_on_one_file_system_stores_all_of_a_clone_in_memory) {
  copies("tar -C $FROM --one-file-system -cf - . | tar -C $TO -xf -");
}

BOOST_AUTO_TEST_CASE(rsync_copies_the_files_and_links_of_a_clone_in_memory) {
  copies("rsync -aH $FROM/ $TO");
}

BOOST_AUTO_TEST_CASE(rsync_on_one_file_system_copies_all_of_a_clone_in_memory) {
  copies("rsync -aHx $FROM/ $TO");
}

BOOST_AUTO_TEST_CASE(cp_on_one_file_system_copies_all_of_a_clone_in_memory) {
  copies("cp -ax $FROM/. $TO");
}

BOOST_AUTO_TEST_CASE(find_on_one_file_system_finds_all_in_a_clone_in_memory) {
  prints("find . -xdev | sort");
}

BOOST_AUTO_TEST_CASE(find_finds_the_other_names_of_a_file_in_a_clone_in_memory) {
  prints("for i in 1 2 3; do find . -samefile lib/$i | sort; find . -samefile new/$i | sort; done");
}

BOOST_AUTO_TEST_CASE(du_counts_each_file_of_a_clone_in_memory_once) { prints("du -a . | wc -l"); }

// The price, as docs/limits.md has it.
BOOST_AUTO_TEST_CASE(du_on_one_file_system_leaves_out_the_files_of_a_clone_in_memory) {
  fs::path out = disk.path / "out";
  run("cd $FROM; du -ax . | wc -l >$TO", clone, out);
  BOOST_TEST(read(out) == "4\n");
}

// SQLite has 63 bits for a number, and fails or rounds with more.
BOOST_AUTO_TEST_CASE(sqlite_holds_the_numbers_of_a_clone_in_memory) {
  prints(
      "find . ! -type d -printf '%D|%i|%p\\n' | sqlite3 :memory: 'create table files(dev integer, "
      "number integer, path)' '.import /dev/stdin files' \"select group_concat(path) from (select "
      "* from files order by path) group by dev, number order by 1\" \"select distinct "
      "typeof(number) from files\"");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
