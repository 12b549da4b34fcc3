// SPDX-License-Identifier: Apache-2.0
#include "tree/sealed_layer.hpp"

#include "sys/error.hpp"
#include "tree/copy_file.hpp"
#include "tree/open_beneath.hpp"

#include <cerrno>
#include <sstream>
#include <string_view>

#include <fcntl.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

namespace snapclone::tree {
namespace {

constexpr std::size_t kListedPaths = 5;
constexpr std::size_t kLongestNames = 65536;  // XATTR_LIST_MAX
constexpr char kFlags[] = "trusted.overlay.protattr";
constexpr char kOrigin[] = "trusted.overlay.origin";
constexpr char kMetacopy[] = "trusted.overlay.metacopy";
constexpr std::size_t kOriginSize = 33;  // 29 on ext4

// Bytes on ext4, rounded up. kEntry: of one attribute, beside its name and value. kBlockAndMark: of
// a block of attributes itself, and of overlayfs' marks in it.
constexpr std::size_t kEntry = 24;
constexpr std::size_t kBlockAndMark = 128;

bool is_opaque(int directory) {
  char value = 0;
  return getxattr(proc_path(directory).c_str(), "trusted.overlay.opaque", &value, 1) == 1 &&
         value == 'y';
}

void add(SealedLayerCheck::Found& found, TreePath const& place) {
  if (found.paths.size() < kListedPaths) found.paths.push_back(place.inside());
  ++found.count;
}

}  // namespace

bool hides(fs::path const& layer, std::string const& path) {
  sys::Fd at = sys::open_dir(layer);
  std::istringstream names(path);
  for (std::string name; std::getline(names, name, '/');) {
    sys::Fd entry = open_beneath(at.get(), name);
    if (entry.get() < 0 && errno == ENOENT) return false;
    if (entry.get() < 0 && errno == ENOTDIR) return true;  // a file, a link or a whiteout
    if (entry.get() < 0) sys::fail("look for " + path + " in", layer.string());
    at = std::move(entry);
    if (is_opaque(at.get())) return true;
  }
  return getxattr(proc_path(at.get()).c_str(), kMetacopy, nullptr, 0) < 0;
}

SealedLayerCheck::SealedLayerCheck(fs::path const& directory)
    : directory_(sys::open_dir(directory)), names_(kLongestNames) {
  struct statfs status {};
  if (fstatfs(directory_.get(), &status) != 0) sys::fail("look at", directory.string());
  block_ = static_cast<std::size_t>(status.f_bsize);
}

void SealedLayerCheck::check(int entry, TreePath const& place) {
  std::string path = proc_path(entry);
  ssize_t length = listxattr(path.c_str(), names_.data(), names_.size());
  if (length <= 0) return;  // nearly always
  std::string names(names_.data(), static_cast<std::size_t>(length));
  if (getxattr(path.c_str(), kFlags, nullptr, 0) > 0) add(flags_lost_, place);
  if (may_be_full(path, names) && !has_room_for_mark(entry, place)) add(unwritable_, place);
}

// From the sizes alone: nearly no file's attributes need a second look.
bool SealedLayerCheck::may_be_full(std::string const& entry, std::string const& names) const {
  std::size_t bytes = kBlockAndMark;
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    char const* name = names.data() + at;
    ssize_t size = getxattr(entry.c_str(), name, nullptr, 0);
    if (size > 0) bytes += std::string_view(name).size() + static_cast<std::size_t>(size) + kEntry;
  }
  return bytes > block_;
}

// Tries it: how a file system packs attributes is its own affair.
bool SealedLayerCheck::has_room_for_mark(int entry, TreePath const& place) const {
  sys::Fd file(openat(directory_.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (file.get() < 0) return true;
  try {
    Original const original = stat_original(sys::Fd(fcntl(entry, F_DUPFD_CLOEXEC, 0)), place);
    copy_attributes(original, read_xattrs(original), file.get(), false);
  } catch (sys::Error const&) {
    return true;
  }
  std::string const origin(kOriginSize, '\0');
  return (fsetxattr(file.get(), kOrigin, origin.data(), origin.size(), 0) == 0 &&
          fsetxattr(file.get(), kMetacopy, "", 0, 0) == 0) ||
         errno != ENOSPC;
}

}  // namespace snapclone::tree
