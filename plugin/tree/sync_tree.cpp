// SPDX-License-Identifier: Apache-2.0
#include "tree/sync_tree.hpp"

#include "sys/dir_stream.hpp"
#include "sys/error.hpp"
#include "tree/open_beneath.hpp"
#include "tree/pending_directories.hpp"

#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::tree {
namespace {

[[noreturn]] void fail(TreePath const& place) {
  throw sys::Error("write out", place.text(), errno,
                   "the disk did not keep what was written there, and the kernel's log (dmesg) may "
                   "say why: write it again, or repeat this to take it as it is now");
}

// For an entry that could not be opened: returns if it was deleted or replaced meanwhile.
void expect_gone(TreePath const& place) {
  if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) fail(place);
}

class TreeSync {
 public:
  explicit TreeSync(sys::Fd root) : root_(std::move(root)) {}

  void run(TreePath root) {
    waiting_.add({std::move(root), open_beneath(root_.get(), ".")});
    while (!waiting_.empty()) sync_directory(waiting_.next());
  }

 private:
  void sync_directory(PendingDirectory directory) {
    TreePath const& place = directory.place;
    if (directory.fd.get() < 0) directory.fd = open_directory_beneath(root_.get(), place);
    if (directory.fd.get() < 0) return expect_gone(place);
    sys::Fd fd = open_for_listing(directory.fd.get());
    if (fd.get() < 0) return expect_gone(place);
    if (fsync(fd.get()) != 0) fail(place);
    try {
      sys::DirStream entries(std::move(fd), place.text());
      while (auto name = entries.next()) sync_entry(directory, std::move(*name));
    } catch (sys::Error const& error) {
      if (error.code() != ENOENT) throw;  // deleted while it was listed
    }
  }

  void sync_entry(PendingDirectory const& directory, std::string name) {
    TreePath place = directory.place.below(name);
    sys::Fd entry = open_beneath(directory.fd.get(), name);
    if (entry.get() < 0) return expect_gone(place);
    struct stat status {};
    if (fstat(entry.get(), &status) != 0) fail(place);
    if (S_ISDIR(status.st_mode)) return waiting_.add({std::move(place), std::move(entry)});
    if (!S_ISREG(status.st_mode)) return;
    int flags = O_RDONLY | O_NONBLOCK | O_NOATIME | O_CLOEXEC;
    sys::Fd file(open(proc_path(entry.get()).c_str(), flags));
    if (file.get() < 0 || fsync(file.get()) != 0) fail(place);
  }

  sys::Fd const root_;
  PendingDirectories<PendingDirectory> waiting_;
};

}  // namespace

void sync_tree(fs::path const& root) { TreeSync(sys::open_dir(root)).run(TreePath(root.string())); }

}  // namespace snapclone::tree
