// SPDX-License-Identifier: Apache-2.0
#include "clone/copy_tree.hpp"

#include "clone/beneath.hpp"
#include "clone/copy_file.hpp"
#include "sys/error.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::clone {
namespace {

constexpr std::size_t kOpenDirectories = 64;
constexpr std::size_t kReportedPaths = 20;

// "a/b" and "c" of "a/b/c"; "" and "c" of "c".
std::pair<std::string, std::string> split(std::string const& path) {
  std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

// One run. Its unit of work is a directory and its entries; the directories among them are made,
// and then wait for their own turn. So nothing changes a directory once its entries are there, and
// it gets its attributes at once.
class TreeCopy {
 public:
  TreeCopy(fs::path const& from, fs::path const& to, CopyOptions const& options)
      : options_(options),
        name_(from.string()),
        from_(sys::open_dir(from)),
        to_(sys::open_dir(to)),
        content_([this] { check(); }) {}

  CopyReport run();

 private:
  struct Directory {
    std::string path;  // in the tree; "" is its root
    sys::Fd from;      // this and `to` are closed while too many wait
    sys::Fd to;
  };
  // What is one file under all its names. With its birth, because an inode number is used again.
  using Identity = std::tuple<unsigned, unsigned, std::uint64_t, std::int64_t, unsigned>;

  void work();
  std::optional<Directory> next();
  void add(Directory directory);
  void finished();
  void failed(std::exception_ptr why);
  void check() const;

  void copy_directory(Directory directory);
  bool open_again(Directory& directory) const;
  void copy_entry(Directory const& into, std::string const& name);
  sys::Fd make_or_link(Original const& from, std::string const& path, Directory const& into);
  void note_flags(Original const& from, std::string const& path);
  std::string full(std::string const& path) const {
    return path.empty() ? name_ : name_ + '/' + path;
  }

  CopyOptions const& options_;
  std::string const name_;
  sys::Fd const from_;
  sys::Fd const to_;
  ContentCopier content_;
  std::atomic<bool> stopped_{false};

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<Directory> waiting_;  // the last is the next: depth first, so that few wait
  std::size_t closed_ = 0;          // how many of them, from the first, are closed
  unsigned busy_ = 0;               // threads that have a directory
  std::exception_ptr failure_;      // the first
  CopyReport report_;

  // Guards the map, and is held while an entry with several names is made: a path that is found
  // here exists. Its content may come later, since all names show the same.
  std::mutex links_mutex_;
  std::map<Identity, std::string> links_;
};

CopyReport TreeCopy::run() {
  remove_other_xattrs(look(hold(from_.get(), "."), name_), to_.get());
  add({"", hold(from_.get(), "."), hold(to_.get(), ".")});
  {
    std::vector<std::jthread> others;
    try {
      while (others.size() + 1 < options_.threads) others.emplace_back([this] { work(); });
    } catch (std::system_error const&) {
      // The machine has no more threads to give: fewer do as well.
    }
    work();
  }
  if (failure_) std::rethrow_exception(failure_);
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
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopped_ || busy_ == 0 || !waiting_.empty(); });
  if (stopped_ || waiting_.empty()) return std::nullopt;
  Directory directory = std::move(waiting_.back());
  waiting_.pop_back();
  closed_ = std::min(closed_, waiting_.size());
  ++busy_;
  return directory;
}

void TreeCopy::add(Directory directory) {
  std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(directory));
  if (waiting_.size() - closed_ > kOpenDirectories) {
    Directory& oldest = waiting_[closed_++];
    oldest.from = sys::Fd();
    oldest.to = sys::Fd();
  }
  wake_.notify_one();
}

void TreeCopy::finished() {
  std::lock_guard lock(mutex_);
  --busy_;
  if (busy_ == 0 && waiting_.empty()) wake_.notify_all();
}

void TreeCopy::failed(std::exception_ptr why) {
  std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(why);
  stopped_ = true;
  wake_.notify_all();
}

void TreeCopy::check() const {
  if (stopped_ || (options_.cancelled && options_.cancelled())) throw Cancelled();
}

void TreeCopy::copy_directory(Directory directory) {
  if (directory.to.get() < 0 && !open_again(directory)) return;
  Original self = look(hold(directory.from.get(), "."), full(directory.path));
  int flags = O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC;
  sys::Fd fd(openat(directory.from.get(), ".", flags));
  std::unique_ptr<DIR, int (*)(DIR*)> stream(fdopendir(fd.get()), closedir);
  if (!stream) sys::fail("list directory", self.path);
  fd.release();
  for (;;) {
    check();
    errno = 0;
    dirent const* entry = readdir(stream.get());
    if (entry == nullptr && errno != 0) sys::fail("list directory", self.path);
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") copy_entry(directory, name);
  }
  note_flags(self, directory.path);
  copy_attributes(self, directory.to.get(), options_.shown);
}

// False if it is no more where it was seen: then its copy, which is empty, goes too.
bool TreeCopy::open_again(Directory& directory) const {
  std::string const& path = directory.path;
  directory.from = hold_directory(from_.get(), path);
  if (directory.from.get() >= 0) {
    directory.to = hold_directory(to_.get(), path);
    if (directory.to.get() < 0) sys::fail("open the copy of", full(path));
    return true;
  }
  if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) sys::fail("open", full(path));
  auto [parent, name] = split(path);
  sys::Fd above = hold_directory(to_.get(), parent);
  if (unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) != 0) {
    sys::fail("remove the copy of", full(path));
  }
  return false;
}

void TreeCopy::copy_entry(Directory const& into, std::string const& name) {
  std::string path = into.path.empty() ? name : into.path + '/' + name;
  sys::Fd held = hold(into.from.get(), name);
  if (held.get() < 0 && errno == ENOENT) return;
  Original from = look(std::move(held), full(path));
  sys::Fd to = make_or_link(from, path, into);
  if (to.get() < 0) return;
  if (S_ISDIR(from.status.stx_mode)) {
    add({std::move(path), std::move(from.fd), std::move(to)});
    return;
  }
  if (S_ISREG(from.status.stx_mode)) content_.copy(from, to.get());
  note_flags(from, path);
  copy_attributes(from, to.get(), options_.shown);
}

// -1 if it is another name of what has been made before.
sys::Fd TreeCopy::make_or_link(Original const& from, std::string const& path,
                               Directory const& into) {
  struct statx const& status = from.status;
  std::string name = split(path).second;
  if (S_ISDIR(status.stx_mode) || status.stx_nlink < 2) return make_copy(from, into.to.get(), name);

  Identity identity{status.stx_dev_major, status.stx_dev_minor, status.stx_ino,
                    status.stx_btime.tv_sec, status.stx_btime.tv_nsec};
  std::lock_guard lock(links_mutex_);
  auto first = links_.find(identity);
  if (first == links_.end()) {
    sys::Fd made = make_copy(from, into.to.get(), name);
    links_.emplace(identity, path);
    return made;
  }
  auto [parent, first_name] = split(first->second);
  sys::Fd above = hold_directory(to_.get(), parent);
  if (linkat(above.get(), first_name.c_str(), into.to.get(), name.c_str(), 0) != 0) {
    sys::fail("link the copy of", from.path);
  }
  return {};
}

void TreeCopy::note_flags(Original const& from, std::string const& path) {
  if ((from.status.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) == 0) return;
  std::lock_guard lock(mutex_);
  ++report_.flags_lost_count;
  if (report_.flags_lost.size() < kReportedPaths) report_.flags_lost.push_back(path);
}

}  // namespace

CopyReport copy_tree(fs::path const& from, fs::path const& to, CopyOptions const& options) {
  return TreeCopy(from, to, options).run();
}

}  // namespace snapclone::clone
