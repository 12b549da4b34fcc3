// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"
#include "tree/tree_path.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>

// Copies one file, directory, link or device. Everything throws sys::Error, which names the
// original. Needs /proc, because many calls take no O_PATH descriptor.
namespace snapclone::tree {

namespace fs = boost::filesystem;

// The entry to copy, by a descriptor (O_PATH): it stays the same whatever happens to its name.
struct Original {
  sys::Fd fd;
  struct statx status {};  // as it was before anything of it was read
  TreePath place;          // for messages
};

// Takes what open_beneath() returned, and reads its status. Throws for its errno if that was -1.
Original stat_original(sys::Fd fd, TreePath place);

// Names and values of the extended attributes, of every namespace; ACLs once (as
// system.posix_acl_*).
using Xattrs = std::vector<std::pair<std::string, std::string>>;

// The caller reads them before a file's content. Overlayfs marks a file of an upper whose content
// is still that of a layer below (metacopy). When it copies the content into that file, it removes
// the mark last, and never sets it again. So a copy with the mark shows the content below, and the
// content of a copy without it is complete. In the other order a copy could have neither.
Xattrs read_xattrs(Original const& from);

// Makes a copy without content and attributes. Returns its descriptor: of a regular file one to
// write to, of everything else one with O_PATH.
sys::Fd make_copy(Original const& from, int directory, std::string const& name);

// Copies content in the cheapest way there is: as a reflink, with copy_file_range(2), or through a
// buffer. It remembers which ways the file systems do not support. All threads of a run share it.
class ContentCopier {
 public:
  // `stop` is looked at before each piece of a file; then copy() throws sys::Cancelled.
  // `lease_wait` is how long it waits for all files together that somebody has a lease on
  // (fcntl(2)).
  ContentCopier(std::stop_token stop, std::chrono::milliseconds lease_wait)
      : stop_(std::move(stop)), lease_wait_(lease_wait.count()) {}

  // Fills `to`, an empty regular file. Holes stay holes. A file that grows meanwhile is copied up
  // to the size it had at first, one that shrinks up to its new end.
  void copy(Original const& from, int to);

 private:
  sys::Fd open_content(Original const& from);
  bool reflink(int from, int to, TreePath const& place);
  off_t copy_extents(int from, int to, off_t size, TreePath const& place);
  off_t copy_extent(int from, int to, off_t begin, off_t end, TreePath const& place);
  std::size_t copy_some(int from, int to, off_t at, std::size_t length, TreePath const& place);

  std::stop_token const stop_;
  std::atomic<std::int64_t> lease_wait_;  // what is left of it
  std::atomic<bool> reflinks_{true};
  std::atomic<bool> ranges_{true};
};

// Whether the file system can share the content of `from` with a new file `to`, which it makes.
bool can_reflink(fs::path const& from, fs::path const& to);

// Gives `to`, the finished copy (O_PATH will do), the original's owner, mode and times and its
// extended attributes: ACLs, file capabilities and overlayfs' marks are such. With
// `through_overlay` the original is seen through an overlay: what looks like a mark is then a
// container's own attribute, and is stored as overlayfs stores such.
void copy_attributes(Original const& from, Xattrs const& xattrs, int to, bool through_overlay);

// Removes the extended attributes of `to` that the original does not have, such as an ACL that new
// entries would inherit.
void remove_other_xattrs(Original const& from, int to);

}  // namespace snapclone::tree
