// SPDX-License-Identifier: Apache-2.0
#include "backend/self_test.hpp"

#include "sys/error.hpp"
#include "tree/attributes.hpp"
#include "tree/remove_tree.hpp"

#include <cerrno>
#include <cstdio>
#include <stdexcept>

#include <unistd.h>

namespace snapclone::backend {
namespace {

void write_file(fs::path const& path, std::string const& text) {
  sys::write_file(path, text, sys::Durability::process);
}

// Every tree and record of a pool gets to its place by such a rename.
void expect_rename_new(fs::path const& from, fs::path const& to) {
  try {
    sys::rename_new(from, to);
  } catch (sys::Error const& error) {
    if (error.code() != EINVAL) throw;
    throw std::runtime_error(
        "the pool's file system cannot rename without replacing (RENAME_NOREPLACE), as NFS, CephFS "
        "and 9p cannot: a pool must be on a local file system, as ext4, xfs or btrfs");
  }
}

}  // namespace

void expect(bool holds, std::string const& what) {
  if (!holds) throw std::runtime_error(what);
}

void fill_trial(fs::path const& tree) {
  sys::make_dir(tree / "new", 0751);
  expect_rename_new(tree / "new", tree / "directory");
  write_file(tree / "directory" / "file", "sealed");
  write_file(tree / "deleted", "sealed");
}

void use_trial(fs::path const& clone, fs::path const& sealed) {
  expect(tree::read_attributes(clone) == tree::read_attributes(sealed),
         "the root directory of a clone differs");
  expect(tree::read_attributes(clone / "directory") == tree::read_attributes(sealed / "directory"),
         "a directory of a clone differs");
  if (rename((clone / "directory").c_str(), (clone / "renamed").c_str()) != 0) {
    sys::fail("rename the directory", (clone / "directory").string());
  }
  write_file(clone / "renamed" / "file", "changed");
  sys::remove_file(clone / "deleted");
  expect(sys::read_file(clone / "renamed" / "file") == "changed", "a write to a clone is lost");
  expect(
      sys::exists(sealed / "deleted") && sys::read_file(sealed / "directory" / "file") == "sealed",
      "what is done to a clone reaches what it was made of");
}

}  // namespace snapclone::backend
