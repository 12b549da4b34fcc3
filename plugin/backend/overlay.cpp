// SPDX-License-Identifier: Apache-2.0
#include "backend/overlay.hpp"

#include "backend/self_test.hpp"
#include "backend/temporary.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "tree/attributes.hpp"
#include "tree/remove_tree.hpp"

#include <chrono>
#include <thread>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::backend {
namespace {

constexpr std::chrono::seconds kLongestHold{5};
constexpr int kMostTries = 3;  // others may make errors all the time

// Changes a file in a way that need not copy its content.
void move_and_protect(fs::path const& from, fs::path const& to) {
  if (chmod(from.c_str(), 0400) != 0) sys::fail("change the mode of", from.string());
  if (rename(from.c_str(), to.c_str()) != 0) sys::fail("rename", from.string());
}

void expect_moved_and_protected(fs::path const& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) sys::fail("look at", file.string());
  expect((status.st_mode & 07777U) == 0400 && sys::read_file(file) == "content",
         "a file whose name or mode alone was changed is not the same once its layer is sealed");
}

}  // namespace

void OverlayBackend::self_test(fs::path const& mount_point) {
  TemporaryDirectory trial(pool_.staging());
  fs::path lower = trial.path() / "lower";
  fs::path tree = trial.path() / "tree";
  sys::make_dir(lower, 0750);
  fill_trial(lower);
  sys::write_file(lower / "marked", "content", sys::Durability::process);
  sys::make_dir(tree);
  make_tree(tree, {});
  tree::write_attributes(Pool::content(tree), tree::read_attributes(lower));

  mount({pool_.relative(lower)}, tree, Access::throwaway, "trial", mount_point);
  {
    Unmounter unmounter{mount_point};
    use_trial(mount_point, lower);
    move_and_protect(mount_point / "marked", mount_point / "renamed" / "marked");
    expect(probe(tree) == Use::used,
           "a mounted tree is not seen to be in use; that needs CAP_DAC_READ_SEARCH, and extended "
           "attributes and file handles in the pool's file system");
  }
  // A mount namespace that is made meanwhile has the trial's mount for a moment.
  auto end = std::chrono::steady_clock::now() + kLongestHold;
  while (probe(tree) != Use::free) {
    expect(std::chrono::steady_clock::now() < end, "a tree that is not mounted is seen as in use");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  mount_read_only({pool_.relative(Pool::content(tree)), pool_.relative(lower)}, mount_point);
  Unmounter unmounter{mount_point};
  expect_moved_and_protected(mount_point / "renamed" / "marked");
}

void OverlayBackend::make_tree(fs::path const& tree, Stack const& below) {
  sys::make_dir(Pool::content(tree), kNewVolumeMode);
  sys::make_dir(work_of(tree));
  // Overlayfs shows the root directory of the upper alone, so it takes over what it covers.
  if (!below.empty())
    tree::write_attributes(Pool::content(tree), tree::read_attributes(pool_.tree(below.front())));
}

CopyReport OverlayBackend::capture(fs::path const& tree, fs::path const& into, Form /*form*/) {
  sys::make_dir(Pool::content(into), kNewVolumeMode);
  return copy(Pool::content(tree), Pool::content(into));
}

void OverlayBackend::seal(fs::path const& tree) {
  fs::path work = work_of(tree);
  if (rmdir(work.c_str()) != 0 && errno != ENOENT) sys::fail("remove", work.string());
}

std::optional<fs::path> OverlayBackend::leftover_work(fs::path const& tree) const {
  fs::path work = work_of(tree);
  return sys::exists(work) ? std::optional(work) : std::nullopt;
}

void OverlayBackend::mount(fs::path const& tree, Stack const& below, Access access,
                           std::string const& source, fs::path const& target) {
  try {
    mount(lower_paths(below), tree, access, source, target);
  } catch (sys::Error const& error) {
    if (error.code() != EIO) throw;
    throw sys::Error("mount an overlay on", target.string(), EIO,
                     "the disk of the pool reports errors: look at the kernel's log (dmesg), and "
                     "check the disk and its file system");
  }
}

void OverlayBackend::mount(std::vector<std::string> lower, fs::path const& tree, Access access,
                           std::string const& source, fs::path const& target) const {
  sys::Overlay overlay;
  overlay.base = pool_.descriptor();
  overlay.source = source;
  overlay.lower = std::move(lower);
  overlay.upper = pool_.relative(Pool::content(tree));
  overlay.work = pool_.relative(work_of(tree));
  overlay.options = kOverlayOptions;
  if (access != Access::persistent) overlay.options += ",volatile";
  overlay.read_only = access == Access::read_only;
  if (access == Access::persistent) return sys::mount_overlay(overlay, target);
  mount_volatile(overlay, target);
}

// The kernel refuses a volatile overlay (EIO) while the upper's file system has a failed write, no
// matter whose, that nobody was told of. So let it tell us.
void OverlayBackend::mount_volatile(sys::Overlay const& overlay, fs::path const& target) const {
  for (int tries = 1;; ++tries) {
    try {
      return sys::mount_overlay(overlay, target);
    } catch (sys::Error const& error) {
      if (error.code() != EIO || tries == kMostTries) throw;
      std::uint64_t before = pool_.disk_errors().count();
      if (pool_.disk_errors().sync() == before) {
        sys::log_warning(std::string(error.what()) + "; trying again");
      }
    }
  }
}

void OverlayBackend::view(Stack const& stack, fs::path const& target) {
  mount_read_only(lower_paths(stack), target);
}

void OverlayBackend::mount_read_only(std::vector<std::string> lower, fs::path const& target) const {
  sys::Overlay overlay;
  overlay.base = pool_.descriptor();
  overlay.source = "snapclone";
  overlay.lower = std::move(lower);
  overlay.options = kOverlayOptions;
  overlay.read_only = true;
  sys::mount_overlay(overlay, target);
}

// With index=on the kernel refuses (EBUSY) a layer that is the upper of a live overlay in any mount
// namespace. It checks that only if the new overlay has an upper, and leaves nothing behind in the
// tree. Where there can be no index, the kernel drops the option silently, and the answer would
// always be "free": hence the proof in self_test().
Use OverlayBackend::probe(fs::path const& tree) {
  if (!sys::exists(Pool::content(tree))) return Use::free;
  TemporaryDirectory temporary(probes_);
  sys::make_dir(temporary.path() / "upper");
  sys::make_dir(temporary.path() / "work");
  sys::Overlay probe;
  probe.base = pool_.descriptor();
  probe.lower = {pool_.relative(Pool::content(tree))};
  probe.upper = (temporary.path() / "upper").string();
  probe.work = (temporary.path() / "work").string();
  probe.options = "index=on";
  int code = sys::try_overlay(probe);
  if (code != 0 && code != EBUSY) {
    throw sys::Error("find out whether anyone uses", tree.string(), code);
  }
  return code == EBUSY ? Use::used : Use::free;
}

bool OverlayBackend::unchanged(fs::path const& tree, Stack const& below) {
  return !below.empty() && sys::is_empty_dir(Pool::content(tree)) &&
         tree::read_attributes(Pool::content(tree)) ==
             tree::read_attributes(pool_.tree(below.front()));
}

std::vector<std::string> OverlayBackend::lower_paths(Stack const& below) const {
  if (below.empty()) return {pool_.relative(pool_.empty())};
  std::vector<std::string> paths;
  for (auto const& id : below) paths.push_back(pool_.relative(pool_.tree(id)));
  return paths;
}

}  // namespace snapclone::backend
