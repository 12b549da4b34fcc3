// SPDX-License-Identifier: Apache-2.0
#include "clone/overlay.hpp"

#include "clone/tree.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/mount.hpp"

#include <chrono>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

namespace snapclone::clone {
namespace {

constexpr char kOptions[] = "redirect_dir=on,index=off,metacopy=off,nfs_export=off,xino=auto";
constexpr mode_t kNewVolumeMode = 0755;  // as Docker's local driver
constexpr std::chrono::seconds kLongestHold{5};

// A directory that is deleted when its user is done.
class Scratch {
 public:
  explicit Scratch(fs::path const& parent) : path_(parent / sys::random_id()) {
    sys::make_dir(path_);
  }
  Scratch(Scratch const&) = delete;
  Scratch& operator=(Scratch const&) = delete;
  ~Scratch() {
    try {
      remove_tree(path_, [] {});
    } catch (sys::Error const&) {
      // the next start does it
    }
  }
  fs::path const& path() const { return path_; }

 private:
  fs::path path_;
};

// Unmounts a trial, also when it fails.
struct Mounted {
  fs::path target;
  ~Mounted() {
    try {
      sys::unmount(target);
    } catch (sys::Error const&) {
      // recovery unmounts what no record names
    }
  }
};

void expect(bool holds, std::string const& what) {
  if (!holds) throw std::runtime_error("overlayfs does not work on this pool: " + what);
}

void write_file(fs::path const& path, std::string const& text) {
  sys::write_file(path, text, sys::Durability::process);
}

}  // namespace

void OverlayBackend::prove(fs::path const& scratch) {
  Scratch trial(pool_.staging());
  try {
    try_out(trial.path(), scratch);
  } catch (sys::Error const& error) {
    expect(false, error.what());
  }
}

void OverlayBackend::try_out(fs::path const& trial, fs::path const& scratch) {
  fs::path lower = trial / "lower";
  fs::path tree = trial / "tree";
  sys::make_dir(lower, 0750);
  sys::make_dir(lower / "directory", 0755);
  write_file(lower / "directory" / "file", "sealed");
  write_file(lower / "deleted", "sealed");
  sys::make_dir(tree);
  sys::make_dir(tree / "fs");
  sys::make_dir(tree / "work");
  write_root(tree / "fs", read_root(lower));

  sys::Overlay overlay;
  overlay.base = pool_.descriptor();
  overlay.source = "trial";
  overlay.lower = {pool_.relative(lower)};
  overlay.upper = pool_.relative(tree / "fs");
  overlay.work = pool_.relative(tree / "work");
  overlay.options = std::string(kOptions) + ",volatile";
  sys::mount_overlay(overlay, scratch);
  {
    Mounted mounted{scratch};
    expect(read_root(scratch) == read_root(lower), "the root directory differs from the layer's");
    expect(rename((scratch / "directory").c_str(), (scratch / "renamed").c_str()) == 0,
           "a directory of a layer cannot be renamed: " + sys::errno_text(errno));
    write_file(scratch / "renamed" / "file", "changed");
    expect(unlink((scratch / "deleted").c_str()) == 0, "a file of a layer cannot be deleted");
    expect(sys::read_file(scratch / "renamed" / "file") == "changed", "a write is lost");
    expect(sys::read_file(lower / "directory" / "file") == "sealed", "a write reaches the layer");
    expect(in_use(tree),
           "a mounted tree is not seen to be in use; that needs CAP_DAC_READ_SEARCH, and extended "
           "attributes and file handles in the pool's file system");
  }
  // Every mount namespace that is made meanwhile holds the trial's mount for a moment.
  auto end = std::chrono::steady_clock::now() + kLongestHold;
  while (in_use(tree)) {
    expect(std::chrono::steady_clock::now() < end, "a tree that is not mounted is seen as in use");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void OverlayBackend::make_tree(fs::path const& tree, Stack const& below) {
  sys::make_dir(tree / "fs", kNewVolumeMode);
  sys::make_dir(tree / "work");
  // Overlayfs shows the root directory of the upper alone, so it takes over what it covers.
  if (!below.empty()) write_root(tree / "fs", read_root(pool_.tree(below.front())));
}

void OverlayBackend::mount(fs::path const& tree, Stack const& below, Access access,
                           std::string const& source, fs::path const& target) {
  sys::Overlay overlay;
  overlay.base = pool_.descriptor();
  overlay.source = source;
  overlay.lower = lower_paths(below);
  overlay.upper = pool_.relative(tree / "fs");
  overlay.work = pool_.relative(tree / "work");
  overlay.options = kOptions;
  if (access != Access::persistent) overlay.options += ",volatile";
  overlay.read_only = access == Access::read_only;
  sys::mount_overlay(overlay, target);
}

void OverlayBackend::view(Stack const& stack, fs::path const& target) {
  sys::Overlay overlay;
  overlay.base = pool_.descriptor();
  overlay.source = "snapclone";
  overlay.lower = lower_paths(stack);
  overlay.options = kOptions;
  overlay.read_only = true;
  sys::mount_overlay(overlay, target);
}

// With index=on the kernel refuses with EBUSY to use a tree as a layer that is the upper of a live
// overlay in whatever mount namespace. It looks only if the new overlay has an upper of its own,
// and it leaves nothing behind in the tree. Where the index cannot be had the kernel would drop
// the option silently, and the answer would always be "free": hence the proof in prove().
bool OverlayBackend::in_use(fs::path const& tree) {
  if (!sys::exists(tree / "fs")) return false;
  Scratch scratch(probes_);
  sys::make_dir(scratch.path() / "upper");
  sys::make_dir(scratch.path() / "work");
  sys::Overlay probe;
  probe.base = pool_.descriptor();
  probe.lower = {pool_.relative(tree / "fs")};
  probe.upper = (scratch.path() / "upper").string();
  probe.work = (scratch.path() / "work").string();
  probe.options = "index=on";
  int code = sys::try_overlay(probe);
  if (code != 0 && code != EBUSY) {
    throw sys::Error("find out whether anyone uses", tree.string(), code);
  }
  return code == EBUSY;
}

bool OverlayBackend::unchanged(fs::path const& tree, Stack const& below) {
  return !below.empty() && sys::list_dir(tree / "fs").empty() &&
         read_root(tree / "fs") == read_root(pool_.tree(below.front()));
}

std::vector<std::string> OverlayBackend::lower_paths(Stack const& below) const {
  if (below.empty()) return {pool_.relative(pool_.empty())};
  std::vector<std::string> paths;
  for (auto const& id : below) paths.push_back(pool_.relative(pool_.tree(id)));
  return paths;
}

}  // namespace snapclone::clone
