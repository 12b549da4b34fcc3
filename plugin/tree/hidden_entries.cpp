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

bool is_whiteout(struct stat const& status) {
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0);
}

// Nothing if there is no such entry.
std::optional<struct stat> look_at(int directory, std::string const& name, TreePath const& place) {
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno != ENOENT && errno != ENOTDIR) sys::fail("look at", place.below(name).text());
  return std::nullopt;
}

sys::DirStream entries_of(sys::Fd const& directory, TreePath const& place) {
  sys::Fd fd(openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC));
  if (fd.get() < 0) sys::fail("open directory", place.text());
  return {std::move(fd), place.text()};
}

sys::Fd open_file(int directory, std::string const& name) {
  return sys::Fd(openat(directory, name.c_str(),
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC));
}

bool has_xattr(sys::Fd const& entry, char const* name) {
  return getxattr(proc_path(entry.get()).c_str(), name, nullptr, 0) >= 0;
}

ino_t inode_of(fs::path const& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) sys::fail("look at", path.string());
  return status.st_ino;
}

struct Directory {
  TreePath place;
  sys::Fd fd;  // closed while too many wait

  void close() { fd = sys::Fd(); }
};

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

HiddenEntries::HiddenEntries(std::vector<fs::path> layers, std::stop_token stop)
    : layers_(std::move(layers)), stop_(std::move(stop)) {}

void HiddenEntries::leave_out_shown_by(fs::path const& view, fs::path const& top) {
  if (inode_of(view) != inode_of(top)) {
    throw std::runtime_error(view.string() + " does not show the inode numbers of its layers");
  }
  if (!std::exchange(listed_, true)) list_differences(view);
  if (!empty()) take_out_shown(view);
}

// Most entries are shown where they lie, and need not be remembered.
void HiddenEntries::list_differences(fs::path const& view) {
  sys::Fd const view_root = sys::open_dir(view);
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
    sys::Fd const root = sys::open_dir(layers_[layer]);
    PendingDirectories<Pair> pending;
    pending.add({TreePath(layers_[layer].string()), true, open_beneath(root.get(), "."),
                 open_beneath(view_root.get(), ".")});
    while (!pending.empty()) {
      Pair pair = pending.next();
      if (pair.layer.get() < 0) {
        pair.layer = open_directory_beneath(root.get(), pair.place);
        if (pair.layer.get() < 0) sys::fail("open directory", pair.place.text());
        if (pair.in_view) pair.view = open_directory_beneath(view_root.get(), pair.place);
      }
      auto names = entries_of(pair.layer, pair.place);
      while (auto name = names.next()) {
        sys::throw_if_cancelled(stop_);
        auto own = look_at(pair.layer.get(), *name, pair.place);
        if (!own || is_whiteout(*own)) continue;
        std::optional<struct stat> shown;
        if (pair.in_view) shown = look_at(pair.view.get(), *name, pair.place);
        bool directory = S_ISDIR(own->st_mode);
        if (!shown || shown->st_ino != own->st_ino) {
          bool content = S_ISREG(own->st_mode) && own->st_size > 0;
          auto size = static_cast<std::uint64_t>(own->st_size);
          entries_.push_back({layer, pair.place.below(*name), own->st_ino, size, directory});
          inodes_.insert(own->st_ino);
          if (content) sizes_.insert(size);
        }
        if (!directory) continue;
        Pair below{pair.place.below(*name), shown && S_ISDIR(shown->st_mode),
                   open_beneath(pair.layer.get(), *name), {}};
        if (below.layer.get() < 0) sys::fail("open directory", below.place.text());
        if (below.in_view) below.view = open_beneath(pair.view.get(), *name);
        pending.add(std::move(below));
      }
    }
  }
}

void HiddenEntries::take_out_shown(fs::path const& view) {
  sys::Fd const root = sys::open_dir(view);
  PendingDirectories<Directory> pending;
  pending.add({TreePath(view.string()), open_beneath(root.get(), ".")});
  while (!pending.empty()) {
    Directory directory = pending.next();
    if (directory.fd.get() < 0) directory.fd = open_directory_beneath(root.get(), directory.place);
    auto names = entries_of(directory.fd, directory.place);
    while (auto name = names.next()) {
      sys::throw_if_cancelled(stop_);
      auto status = look_at(directory.fd.get(), *name, directory.place);
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
  auto extents = shown.get() < 0 ? std::nullopt : extents_digest(shown.get());
  shown_data_[size].insert(extents.value_or(kUnknown));
}

bool HiddenEntries::may_be_data(sys::Fd const& file, std::uint64_t size) const {
  auto shown = shown_data_.find(size);
  if (shown == shown_data_.end()) return false;
  auto extents = file.get() < 0 ? std::nullopt : extents_digest(file.get());
  return !extents || shown->second.count(*extents) != 0 || shown->second.count(kUnknown) != 0;
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
  auto status = look_at(above.get(), name, entry.place.above());
  if (!status || status->st_ino != entry.inode) {
    throw std::runtime_error(entry.place.text() + " changes, though it is sealed");
  }
  sys::Fd self = open_beneath(above.get(), name);
  if (entry.directory) {
    if (has_xattr(self, "trusted.overlay.opaque") || has_xattr(self, "trusted.overlay.redirect")) {
      return;
    }
    if (unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOTEMPTY) return;
    sys::fail("remove directory", entry.place.text());
  }
  if (S_ISREG(status->st_mode)) {
    if (has_xattr(self, "trusted.overlay.whiteout")) return;
    if (entry.size > 0 && may_be_data(open_file(above.get(), name), entry.size)) return;
  }
  sys::Fd to = sys::open_dir(bin);
  std::string number = std::to_string(moved_);
  if (renameat2(above.get(), name.c_str(), to.get(), number.c_str(), RENAME_NOREPLACE) != 0) {
    sys::fail("move away", entry.place.text());
  }
  ++moved_;
  if (status->st_nlink == 1) moved_bytes_ += static_cast<std::uint64_t>(status->st_blocks) * kBlock;
}

}  // namespace snapclone::tree
