// SPDX-License-Identifier: Apache-2.0
#include "kit/manifest.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"

#include <boost/filesystem/operations.hpp>

#include <algorithm>
#include <tuple>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace snapclone::test {
std::string shown_time(timespec const& time) {
  return std::to_string(time.tv_sec) + " s " + std::to_string(time.tv_nsec) + " ns";
}

namespace {

void show_xattrs(fs::path const& path, Shown& shown) {
  std::vector<char> names(8192);
  ssize_t length = llistxattr(path.c_str(), names.data(), names.size());
  if (length < 0) sys::fail("list the extended attributes of", path.string());
  std::vector<char> value(length > 0 ? 65536 : 0);
  for (char const* name = names.data(); name < names.data() + length;) {
    std::string key = name;
    name += key.size() + 1;
    ssize_t size = lgetxattr(path.c_str(), key.c_str(), value.data(), value.size());
    if (size < 0) sys::fail("read the extended attribute " + key + " of", path.string());
    shown["xattr " + key] = std::string(value.data(), static_cast<std::size_t>(size));
  }
}

// The data between the holes.
void show_content(fs::path const& path, Shown& shown) {
  sys::Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0) sys::fail("open", path.string());
  off_t end = 0;
  for (;;) {
    off_t begin = lseek(fd.get(), end, SEEK_DATA);
    if (begin < 0) break;
    end = lseek(fd.get(), begin, SEEK_HOLE);
    std::string data(static_cast<std::size_t>(end - begin), '\0');
    if (pread(fd.get(), data.data(), data.size(), begin) != end - begin) {
      sys::fail("read", path.string());
    }
    shown["data at " + std::to_string(begin)] = std::move(data);
  }
}

class ManifestMaker {
 public:
  explicit ManifestMaker(fs::path const& root) : root_(root) { show(""); }
  Manifest take() { return std::move(manifest_); }

 private:
  void show(std::string const& inside) {
    fs::path path = inside.empty() ? root_ : root_ / inside;
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) sys::fail("look at", path.string());
    Shown shown;
    shown["type and mode"] = std::to_string(status.st_mode);
    shown["owner"] = std::to_string(status.st_uid) + ":" + std::to_string(status.st_gid);
    shown["mtime"] = shown_time(status.st_mtim);
    shown["atime"] = shown_time(status.st_atim);
    shown["device"] = std::to_string(status.st_rdev);
    show_xattrs(path, shown);
    if (!S_ISDIR(status.st_mode)) {
      shown["size"] = std::to_string(status.st_size);
      shown["names"] = std::to_string(status.st_nlink);
      auto identity = std::make_tuple(status.st_dev, status.st_ino);
      shown["same as"] = first_.try_emplace(identity, inside).first->second;
    }
    if (S_ISREG(status.st_mode)) show_content(path, shown);
    if (S_ISLNK(status.st_mode)) shown["target"] = fs::read_symlink(path).string();
    manifest_[inside] = std::move(shown);
    if (!S_ISDIR(status.st_mode)) return;
    std::vector<std::string> names = sys::list_dir(path);
    std::sort(names.begin(), names.end());
    for (auto const& name : names) show(inside.empty() ? name : inside + "/" + name);
  }

  fs::path const root_;
  Manifest manifest_;
  std::map<std::tuple<dev_t, ino_t>, std::string> first_;
};

}  // namespace

Manifest manifest(fs::path const& root) { return ManifestMaker(root).take(); }

Manifest without_access_times(Manifest manifest) {
  for (auto& [path, shown] : manifest) shown.erase("atime");
  return manifest;
}

std::string differences(Manifest const& a, Manifest const& b) {
  std::string lines;
  for (auto const& [path, shown] : a) {
    auto other = b.find(path);
    if (other == b.end()) {
      lines += "'" + path + "' is missing\n";
      continue;
    }
    Shown both = shown;
    both.insert(other->second.begin(), other->second.end());
    for (auto const& [what, ignored] : both) {
      auto here = shown.find(what);
      auto there = other->second.find(what);
      bool same =
          here != shown.end() && there != other->second.end() && here->second == there->second;
      if (!same) lines += "'" + path + "' differs in its " + what + '\n';
    }
  }
  for (auto const& [path, shown] : b) {
    if (a.count(path) == 0) lines += "'" + path + "' is new\n";
  }
  return lines;
}

}  // namespace snapclone::test
