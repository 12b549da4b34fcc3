// SPDX-License-Identifier: Apache-2.0
#include "tree/copy_tree.hpp"

#include "sys/cancelled.hpp"
#include "sys/dir_stream.hpp"
#include "sys/error.hpp"
#include "sys/mutex.hpp"
#include "tree/copy_file.hpp"
#include "tree/open_beneath.hpp"
#include "tree/pending_directories.hpp"

#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::tree {
namespace {

constexpr std::size_t kReportedPaths = 20;

// One run. Its unit of work is a directory and its entries. Directories among the entries are made,
// and then wait for a thread. So nothing changes a directory after its entries were made, and it
// gets its attributes at once.
class TreeCopy {
 public:
  TreeCopy(fs::path const& from, fs::path const& to, CopyOptions const& options)
      : options_(options),
        from_(sys::open_dir(from)),
        to_(sys::open_dir(to)),
        content_(stop_.get_token(), options.lease_wait),
        cancelled_(options.stop, [this] { stop_.request_stop(); }) {}

  CopyReport run(TreePath const& root);

 private:
  struct Directory {
    TreePath place;
    sys::Fd from;  // this and `to` are closed while too many wait
    sys::Fd to;

    void close() {
      from = sys::Fd();
      to = sys::Fd();
    }
  };
  // The same for all names of a file. The birth time is in it, because inode numbers are used
  // again.
  using Identity = std::tuple<unsigned, unsigned, std::uint64_t, std::int64_t, unsigned>;

  struct Linked {
    TreePath first;
    std::uint64_t seen;  // how many of its names
  };

  void work();
  std::optional<Directory> next();
  void add(Directory directory);
  void finished();
  void failed(std::exception_ptr why);

  void copy_directory(Directory directory);
  bool open_again(Directory& directory) const;
  void copy_entry(Directory const& into, std::string const& name);
  sys::Fd make_or_link(Original const& from, Directory const& into);
  void note_flags(Original const& from);

  CopyOptions const& options_;
  sys::Fd const from_;
  sys::Fd const to_;
  std::stop_source stop_;  // of this run: it was cancelled, or one of its threads has failed
  ContentCopier content_;
  std::stop_callback<std::function<void()>> const cancelled_;

  sys::Mutex mutex_;
  std::condition_variable_any wake_;
  PendingDirectories<Directory> waiting_ GUARDED_BY(mutex_);
  unsigned busy_ GUARDED_BY(mutex_) = 0;           // threads that have a directory
  std::exception_ptr failure_ GUARDED_BY(mutex_);  // the first
  CopyReport report_ GUARDED_BY(mutex_);

  // Held while an entry with several names is made: a place that is found here exists. Its content
  // may come later, since all names show the same.
  sys::Mutex links_mutex_;
  std::map<Identity, Linked> links_ GUARDED_BY(links_mutex_);
};

CopyReport TreeCopy::run(TreePath const& root) {
  remove_other_xattrs(stat_original(open_beneath(from_.get(), "."), root), to_.get());
  Directory top{root, open_beneath(from_.get(), "."), open_beneath(to_.get(), ".")};
  if (top.from.get() < 0 || top.to.get() < 0) sys::fail("open again", root.text());
  add(std::move(top));
  {
    std::vector<std::jthread> others;
    try {
      while (others.size() + 1 < options_.threads) others.emplace_back([this] { work(); });
    } catch (std::system_error const&) {
      // The system gives no more threads. Fewer will do.
    }
    work();
  }
  sys::MutexLock lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  sys::throw_if_cancelled(stop_.get_token());
  return std::move(report_);
}

void TreeCopy::work() {
  try {
    while (std::optional<Directory> directory = next()) {
      copy_directory(std::move(*directory));
      finished();
    }
  } catch (...) {
    failed(std::current_exception());
  }
}

std::optional<TreeCopy::Directory> TreeCopy::next() {
  sys::MutexLock lock(mutex_);
  wake_.wait(mutex_, stop_.get_token(),
             [this]() REQUIRES(mutex_) { return busy_ == 0 || !waiting_.empty(); });
  if (stop_.stop_requested() || waiting_.empty()) return std::nullopt;
  ++busy_;
  return waiting_.next();
}

void TreeCopy::add(Directory directory) {
  sys::MutexLock lock(mutex_);
  waiting_.add(std::move(directory));
  wake_.notify_one();
}

void TreeCopy::finished() {
  sys::MutexLock lock(mutex_);
  --busy_;
  if (busy_ == 0 && waiting_.empty()) wake_.notify_all();
}

void TreeCopy::failed(std::exception_ptr why) {
  {
    sys::MutexLock lock(mutex_);
    if (!failure_) failure_ = std::move(why);
  }
  stop_.request_stop();
}

void TreeCopy::copy_directory(Directory directory) {
  if (directory.to.get() < 0 && !open_again(directory)) return;
  Original self = stat_original(open_beneath(directory.from.get(), "."), directory.place);
  sys::Fd fd = open_for_listing(directory.from.get());
  if (fd.get() < 0) sys::fail("open directory", self.place.text());
  sys::DirStream entries(std::move(fd), self.place.text());
  while (auto name = entries.next()) {
    sys::throw_if_cancelled(stop_.get_token());
    copy_entry(directory, *name);
  }
  note_flags(self);
  copy_attributes(self, read_xattrs(self), directory.to.get(), options_.through_overlay);
}

// False if it is not where it was seen any more. Then its copy, which is empty, is removed.
bool TreeCopy::open_again(Directory& directory) const {
  TreePath const& place = directory.place;
  directory.from = open_directory_beneath(from_.get(), place);
  if (directory.from.get() >= 0) {
    directory.to = open_directory_beneath(to_.get(), place);
    if (directory.to.get() < 0) sys::fail("open the copy of", place.text());
    return true;
  }
  if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) sys::fail("open", place.text());
  sys::Fd above = open_directory_beneath(to_.get(), place.above());
  if (above.get() < 0) sys::fail("open the copy of", place.above().text());
  if (unlinkat(above.get(), place.name().c_str(), AT_REMOVEDIR) != 0) {
    sys::fail("remove the copy of", place.text());
  }
  return false;
}

void TreeCopy::copy_entry(Directory const& into, std::string const& name) {
  sys::Fd entry = open_beneath(into.from.get(), name);
  if (entry.get() < 0 && errno == ENOENT) return;
  Original from = stat_original(std::move(entry), into.place.below(name));
  sys::Fd to = make_or_link(from, into);
  if (to.get() < 0) return;
  if (S_ISDIR(from.status.stx_mode)) {
    add({std::move(from.place), std::move(from.fd), std::move(to)});
    return;
  }
  Xattrs const xattrs = read_xattrs(from);
  if (S_ISREG(from.status.stx_mode)) content_.copy(from, to.get());
  note_flags(from);
  copy_attributes(from, xattrs, to.get(), options_.through_overlay);
}

// Returns -1 if the file had been copied already, and its copy has one more name now.
sys::Fd TreeCopy::make_or_link(Original const& from, Directory const& into) {
  struct statx const& status = from.status;
  std::string const& name = from.place.name();
  if (S_ISDIR(status.stx_mode) || status.stx_nlink < 2) return make_copy(from, into.to.get(), name);

  Identity identity{status.stx_dev_major, status.stx_dev_minor, status.stx_ino,
                    status.stx_btime.tv_sec, status.stx_btime.tv_nsec};
  sys::MutexLock lock(links_mutex_);
  auto found = links_.find(identity);
  if (found == links_.end()) {
    sys::Fd made = make_copy(from, into.to.get(), name);
    links_.emplace(identity, Linked{from.place, 1});
    return made;
  }
  auto& [first, seen] = found->second;
  sys::Fd above = open_directory_beneath(to_.get(), first.above());
  if (above.get() < 0) sys::fail("open the copy of", first.above().text());
  if (linkat(above.get(), first.name().c_str(), into.to.get(), name.c_str(), 0) != 0) {
    sys::fail("link the copy of", from.place.text());
  }
  if (++seen >= status.stx_nlink) links_.erase(found);
  return {};
}

void TreeCopy::note_flags(Original const& from) {
  if ((from.status.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) == 0) return;
  sys::MutexLock lock(mutex_);
  ++report_.flags_lost_count;
  if (report_.flags_lost.size() < kReportedPaths) {
    report_.flags_lost.push_back(from.place.inside());
  }
}

}  // namespace

CopyReport copy_tree(fs::path const& from, fs::path const& to, CopyOptions const& options) {
  return TreeCopy(from, to, options).run(TreePath(from.string()));
}

}  // namespace snapclone::tree
