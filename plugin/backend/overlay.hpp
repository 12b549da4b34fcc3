// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"
#include "sys/mount.hpp"

namespace snapclone::backend {

inline constexpr char kOverlayOptions[] =
    "redirect_dir=on,index=off,metacopy=on,nfs_export=off,xino=auto";

// Overlayfs' work directory, which lies beside a tree's content while the tree is an upper.
inline fs::path work_of(fs::path const& tree) { return tree / "work"; }

// Trees as overlayfs uppers over their stack: on ext4, xfs, tmpfs and whatever else the kernel
// takes as an upper (Documentation/filesystems/overlayfs.rst).
//
// Options are spelled out because distributions change the module's defaults:
//  - redirect_dir=on: a directory of a lower layer can be renamed.
//  - index=off: with the index on, hard links are joined in the work directory, and sealing an
//    upper without it would take back what was written through one of them. The price: a hard link
//    in a sealed layer breaks at its first write.
//  - metacopy=on: chown, chmod, link(2) and rename(2) of a layer's file copy no content. The
//    upper then has a file without content, and a mark. Once it is sealed, all overlays over it
//    need this option; the pool's file `format` says so. The prices: link(2), and rename(2) to
//    another directory, of such a file fail with EXDEV if its path has more than 256 bytes
//    (docs/limits.md). And if it is opened for writing, its mtime becomes the present.
//  - volatile (clones only): a clone dies with its mount, so syncing it would be waste. Unmounting
//    does not sync either.
//
// A clone with access=ro has an upper and a work directory too, because only an upper marks an
// overlay as in use. For the same reason a volume over an empty stack is an overlay over one shared
// empty layer. Also, in a plain directory a container could write what overlayfs would take for its
// own marks once the tree is sealed.
//
// capture() copies the upper below the overlay, with the marks of overlayfs in it. It also reads
// what a container has in its page cache, since the files that it has open are the upper's.
class OverlayBackend final : public Backend {
 public:
  // `probes` is a directory outside the pool, since a full disk must not keep its content from
  // being deleted. A tmpfs will do.
  OverlayBackend(Pool const& pool, fs::path probes) : Backend(pool), probes_(std::move(probes)) {}

  std::string_view name() const override { return "overlay"; }
  bool layered() const override { return true; }
  bool captures_atomically() const override { return false; }
  bool copies() const override { return false; }
  bool can_probe() const override { return true; }
  void self_test(fs::path const& mount_point) override;
  void make_tree(fs::path const& tree, Stack const& below) override;
  CopyReport capture(fs::path const& tree, fs::path const& into, Form form) override;
  void seal(fs::path const& tree) override;
  std::optional<fs::path> leftover_work(fs::path const& tree) const override;
  void mount(fs::path const& tree, Stack const& below, Access access, std::string const& source,
             fs::path const& target) override;
  void view(Stack const& stack, fs::path const& target) override;
  bool unchanged(fs::path const& tree, Stack const& below) override;

 private:
  Use probe(fs::path const& tree) override;
  std::vector<std::string> lower_paths(Stack const& below) const;
  void mount(std::vector<std::string> lower, fs::path const& tree, Access access,
             std::string const& source, fs::path const& target) const;
  void mount_volatile(sys::Overlay const& overlay, fs::path const& target) const;
  void mount_read_only(std::vector<std::string> lower, fs::path const& target) const;

  fs::path const probes_;
};

}  // namespace snapclone::backend
