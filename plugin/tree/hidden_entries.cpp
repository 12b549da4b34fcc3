// SPDX-License-Identifier: Apache-2.0
#include "tree/hidden_entries.hpp"

#include "sys/cancelled.hpp"
#include "sys/dir_stream.hpp"
#include "sys/error.hpp"
#include "tree/extents.hpp"
#include "tree/open_beneath.hpp"
#include "tree/pending_directories.hpp"

#include <optional>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace snapclone::tree {
namespace {

constexpr std::uint64_t kBlock = 512;  // of st_blocks, whatever the file system's is
constexpr std::uint64_t kUnknown = 0;  // instead of a digest
constexpr std::size_t kMostAtOnce = 100'000;

bool is_whiteout(struct stat const& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

// Nothing if there is no such entry.
std::optional<struct stat> status_of(int directory, std::string const& name,
                                     TreePath const& place) {
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno != ENOENT && errno != ENOTDIR) sys::fail("look at", place.below(name).text());
  return std::nullopt;
}

sys::DirStream entries_of(sys::Fd const& directory, TreePath const& place) {
  sys::Fd fd = open_for_listing(directory.get());
  if (fd.get() < 0) sys::fail("open directory", place.text());
  return {std::move(fd), place.text()};
}

sys::Fd open_file(int directory, std::string const& name) {
  return sys::Fd(
      openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
}

std::uint64_t digest_of(sys::Fd const& file) {
  if (file.get() < 0) return kUnknown;
  return extents_digest(file.get()).value_or(kUnknown);
}

// True also if the question fails.
bool may_have_xattr(sys::Fd const& entry, char const* name) {
  return getxattr(proc_path(entry.get()).c_str(), name, nullptr, 0) >= 0 ||
         (errno != ENODATA && errno != ENOTSUP);
}

// A file without content of its own has none that could be compared, though a copy of the pool may
// have filled its hole.
std::uint64_t own_data(sys::Fd const& file) {
  return may_have_xattr(file, "trusted.overlay.metacopy") ? kUnknown : digest_of(file);
}

ino_t inode_of(fs::path const& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) sys::fail("look at", path.string());
  return status.st_ino;
}

}  // namespace

// A directory of a layer, and what the view has at the same place.
struct HiddenEntries::Pair {
  TreePath place;
  bool in_view;
  sys::Fd layer;  // this and `view` are closed while too many wait
  sys::Fd view;

  void close() {
    layer = sys::Fd();
    view = sys::Fd();
  }
};

// How far the search is.
struct HiddenEntries::Search {
  std::size_t layer = 0;
  sys::Fd root = {};  // of that layer
  PendingDirectories<Pair> pending = {};
  std::optional<Pair> pair = {};  // whose entries are being read
  std::optional<sys::DirStream> names = {};
};

HiddenEntries::HiddenEntries(std::vector<fs::path> layers, std::stop_token stop)
    : layers_(std::move(layers)),
      stop_(std::move(stop)),
      search_(new Search, [](Search* search) { delete search; }) {}

bool HiddenEntries::find_some(fs::path const& view) {
  entries_.clear();
  inodes_.clear();
  sizes_.clear();
  data_.clear();
  view_root_ = sys::open_dir(view);
  Search& search = *search_;
  while (entries_.size() < kMostAtOnce) {
    if (!search.names && !enter_next(search)) break;
    if (auto name = search.names->next()) {
      sys::throw_if_cancelled(stop_);
      compare(search, *name);
    } else {
      search.names.reset();
    }
  }
  if (empty()) return false;
  ++parts_;
  return true;
}

// Opens the next directory, if there is one. The mounts of one stack show the same.
bool HiddenEntries::enter_next(Search& search) {
  while (search.pending.empty()) {
    if (search.layer == layers_.size()) return false;
    search.root = sys::open_dir(layers_[search.layer]);
    TreePath place(layers_[search.layer].string());
    search.pending.add({place, true, open_beneath(search.root.get(), "."), {}});
    ++search.layer;
  }
  Pair pair = search.pending.next();
  if (pair.layer.get() < 0) {
    pair.layer = open_directory_beneath(search.root.get(), pair.place);
    if (pair.layer.get() < 0 && errno == ENOENT) return enter_next(search);  // hidden, and removed
    if (pair.layer.get() < 0) sys::fail("open directory", pair.place.text());
  }
  if (pair.in_view) pair.view = open_directory_beneath(view_root_.get(), pair.place);
  if (pair.in_view && pair.view.get() < 0) sys::fail("open in the view", pair.place.text());
  search.names.emplace(entries_of(pair.layer, pair.place));
  search.pair = std::move(pair);
  return true;
}

// Most entries are shown where they lie, and need not be remembered.
void HiddenEntries::compare(Search& search, std::string const& name) {
  Pair const& pair = *search.pair;
  auto own = status_of(pair.layer.get(), name, pair.place);
  if (!own || is_whiteout(*own)) return;
  std::optional<struct stat> shown;
  if (pair.in_view) shown = status_of(pair.view.get(), name, pair.place);
  bool directory = S_ISDIR(own->st_mode);
  TreePath place = pair.place.below(name);
  if (!shown || shown->st_ino != own->st_ino) {
    Entry entry{search.layer - 1, place, own->st_ino, directory, {}, kUnknown};
    if (S_ISREG(own->st_mode)) {
      entry.size = static_cast<std::uint64_t>(own->st_size);
      entry.data = own_data(open_file(pair.layer.get(), name));
      sizes_[*entry.size] = Shown::nothing;
      if (entry.data != kUnknown) data_[entry.data] = false;
    }
    inodes_.insert(entry.inode);
    entries_.push_back(std::move(entry));
  }
  if (!directory) return;
  sys::Fd below = open_beneath(pair.layer.get(), name);
  if (below.get() < 0) sys::fail("open directory", place.text());
  search.pending.add({std::move(place), shown && S_ISDIR(shown->st_mode), std::move(below), {}});
}

void HiddenEntries::leave_out_shown_by(fs::path const& view, fs::path const& top) {
  if (inode_of(view) != inode_of(top)) {
    throw std::runtime_error(view.string() + " does not show the inode numbers of its layers");
  }
  sys::Fd const root = sys::open_dir(view);
  PendingDirectories<PendingDirectory> pending;
  pending.add({TreePath(view.string()), open_beneath(root.get(), ".")});
  while (!pending.empty()) {
    PendingDirectory directory = pending.next();
    if (directory.fd.get() < 0) directory.fd = open_directory_beneath(root.get(), directory.place);
    auto names = entries_of(directory.fd, directory.place);
    while (auto name = names.next()) {
      sys::throw_if_cancelled(stop_);
      auto status = status_of(directory.fd.get(), *name, directory.place);
      if (!status) throw std::runtime_error(view.string() + " changes");
      inodes_.erase(status->st_ino);
      auto size = static_cast<std::uint64_t>(status->st_size);
      if (S_ISREG(status->st_mode) && sizes_.count(size) != 0) {
        note_data(open_file(directory.fd.get(), *name), size);
      }
      if (!S_ISDIR(status->st_mode)) continue;
      pending.add({directory.place.below(*name), open_beneath(directory.fd.get(), *name)});
    }
  }
  std::erase_if(entries_, [this](Entry const& entry) { return inodes_.count(entry.inode) == 0; });
}

void HiddenEntries::note_data(sys::Fd const& shown, std::uint64_t size) {
  std::uint64_t digest = digest_of(shown);
  if (digest == kUnknown) {
    sizes_[size] = Shown::unknown;
  } else {
    if (sizes_[size] == Shown::nothing) sizes_[size] = Shown::known;
    if (auto found = data_.find(digest); found != data_.end()) found->second = true;
  }
}

bool HiddenEntries::may_be_data(Entry const& entry) const {
  if (!entry.size) return false;
  Shown shown = sizes_.at(*entry.size);
  if (entry.data == kUnknown) return shown != Shown::nothing;
  return shown == Shown::unknown || data_.at(entry.data);
}

// A file system may move data, or free what it kept for more of it. So what was compared must be
// the same as before.
bool HiddenEntries::is_unchanged(Entry const& entry) const {
  if (entry.data == kUnknown) return true;
  sys::Fd root = sys::open_dir(layers_[entry.layer]);
  sys::Fd above = open_directory_beneath(root.get(), entry.place.above());
  return digest_of(open_file(above.get(), entry.place.name())) == entry.data;
}

void HiddenEntries::leave_out_data() {
  std::erase_if(entries_, [this](Entry const& entry) {
    sys::throw_if_cancelled(stop_);
    return may_be_data(entry) || !is_unchanged(entry);
  });
}

void HiddenEntries::move_some(fs::path const& bin, std::size_t most, bool files_only) {
  for (std::size_t i = 0; i < most && !empty(); ++i) {
    Entry entry = std::move(entries_.back());
    entries_.pop_back();
    move(entry, bin, files_only);
  }
}

void HiddenEntries::move(Entry const& entry, fs::path const& bin, bool files_only) {
  if (entry.directory && files_only) return;
  std::string const& name = entry.place.name();
  sys::Fd root = sys::open_dir(layers_[entry.layer]);
  sys::Fd above = open_directory_beneath(root.get(), entry.place.above());
  if (above.get() < 0) sys::fail("open the directory of", entry.place.text());
  auto status = status_of(above.get(), name, entry.place.above());
  if (!status || status->st_ino != entry.inode) {
    throw std::runtime_error(entry.place.text() + " changes, though it is sealed");
  }
  sys::Fd self = open_beneath(above.get(), name);
  if (self.get() < 0) sys::fail("open", entry.place.text());
  if (entry.directory) {
    if (may_have_xattr(self, "trusted.overlay.opaque") ||
        may_have_xattr(self, "trusted.overlay.redirect")) {
      return;
    }
    if (unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOTEMPTY) return;
    sys::fail("remove directory", entry.place.text());
  }
  if (may_have_xattr(self, "trusted.overlay.whiteout")) return;
  sys::Fd to = sys::open_dir(bin);
  std::string number = std::to_string(moved_);
  if (renameat2(above.get(), name.c_str(), to.get(), number.c_str(), RENAME_NOREPLACE) != 0) {
    sys::fail("move away", entry.place.text());
  }
  ++moved_;
  if (status->st_nlink == 1) moved_bytes_ += static_cast<std::uint64_t>(status->st_blocks) * kBlock;
}

}  // namespace snapclone::tree
