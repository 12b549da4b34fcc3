// SPDX-License-Identifier: Apache-2.0
#include "kit/plant.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"

#include <boost/filesystem.hpp>

#include <fstream>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

using namespace std::string_literals;

void require(bool done, fs::path const& path) {
  if (!done) sys::fail("plant", path.string());
}

}  // namespace

std::string acl(char owner, char user, char group, char mask, char others) {
  std::string none = "\xff\xff\xff\xff"s;
  return "\2\0\0\0"s + "\1\0"s + owner + "\0"s + none + "\2\0"s + user + "\0"s + "\xe8\3\0\0"s +
         "\4\0"s + group + "\0"s + none + "\x10\0"s + mask + "\0"s + none + "\x20\0"s + others +
         "\0"s + none;
}

void plant_file(fs::path const& path, std::string const& text) {
  std::ofstream file(path.string());
  require(!!(file << text << std::flush), path);
}

void mark(fs::path const& path, std::string const& name, std::string const& value) {
  if (lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return;
  // tmpfs has user.* since Linux 6.6.
  bool expected = errno == EOPNOTSUPP && name.rfind("user.", 0) == 0;
  if (!expected) sys::fail("set the extended attribute " + name + " of", path.string());
}

void write_at(fs::path const& path, off_t at, std::size_t size) {
  sys::Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  std::string data(size, 'x');
  require(pwrite(fd.get(), data.data(), size, at) == static_cast<ssize_t>(size), path);
}

void plant_sparse_files(fs::path const& root) {
  fs::create_directory(root / "sparse");
  for (off_t at : {0, 1 << 20, 8 << 20}) write_at(root / "sparse" / "ends in a hole", at, 65536);
  fs::resize_file(root / "sparse" / "ends in a hole", 64 << 20);
  write_at(root / "sparse" / "begins with a hole", (4 << 20) - 5, 10);
  plant_file(root / "sparse" / "is a hole", "");
  fs::resize_file(root / "sparse" / "is a hole", (1 << 20) + 1);
  plant_file(root / "empty", "");
  write_at(root / "large", 0, (20 << 20) + 3);
}

void plant_odd_names(fs::path const& root) {
  fs::create_directory(root / "names");
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/') continue;
    plant_file(root / "names" / ("x"s + static_cast<char>(byte)), std::to_string(byte));
  }
  plant_file(root / "names" / std::string(255, 'n'), "long");
  fs::create_directories(root / "names" / std::string(255, 'd') / "empty");
}

void plant_special_files(fs::path const& root, bool marks) {
  fs::create_directory(root / "special");
  require(mkfifo((root / "special" / "fifo").c_str(), 0620) == 0, root);
  require(mknod((root / "special" / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0, root);
  require(mknod((root / "special" / "disk").c_str(), S_IFBLK | 0660, makedev(259, 70000)) == 0,
          root);
  dev_t device = marks ? makedev(0, 0) : makedev(1, 5);
  require(mknod((root / "special" / "whiteout").c_str(), S_IFCHR, device) == 0, root);
  require(mknod((root / "special" / "socket").c_str(), S_IFSOCK | 0755, 0) == 0, root);
  fs::create_symlink("nowhere", root / "special" / "dangling");
  fs::create_symlink("/etc/passwd", root / "special" / "absolute");
  fs::create_symlink("../..", root / "special" / "upwards");
  fs::create_symlink(std::string(1000, 'l'), root / "special" / "long");
  mark(root / "special" / "fifo", "trusted.mine", "of a fifo");
  mark(root / "special" / "dangling", "trusted.mine", "of a link");
  require(lchown((root / "special" / "dangling").c_str(), 5, 6) == 0, root);
  require(lchown((root / "special" / "socket").c_str(), 7, 8) == 0, root);
}

void plant_hard_links(fs::path const& root) {
  fs::create_directories(root / "a" / "b");
  for (auto const* name : {"fifo", "whiteout", "dangling"}) {
    fs::create_hard_link(root / "special" / name, root / "a" / (name + " again"s));
  }
  for (auto const* name : {"a/one", "a/b/two", "three"}) {
    fs::create_hard_link(root / "large", root / name);
  }
}

void plant_attributes(fs::path const& root, bool marks) {
  fs::create_directories(root / "marked" / "inner");
  plant_file(root / "marked" / "program", "#!");
  plant_file(root / "marked" / "inherits no ACL", "");
  require(chown((root / "marked" / "program").c_str(), 1000, 1001) == 0, root);
  require(chmod((root / "marked" / "program").c_str(), 06755) == 0, root);
  require(chmod((root / "marked" / "inner").c_str(), 03070) == 0, root);
  mark(root / "marked" / "program", "security.capability",
       "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s);
  mark(root / "marked" / "program", "user.odd name \xff", "\0\xff\n"s);
  mark(root / "marked" / "program", "trusted.empty", "");
  mark(root / "marked" / "program", "trusted.large", std::string(2000, 'v'));
  mark(root / "marked" / "program", "system.posix_acl_access", acl(7, 4, 5, 5, 0));
  if (marks) {
    mark(root / "marked" / "inner", "trusted.overlay.opaque", "y");
    mark(root / "marked" / "inner", "trusted.overlay.redirect", "/somewhere");
  }
  mark(root / "marked", "system.posix_acl_default", acl(7, 7, 5, 7, 0));
  mark(root / "marked", "user.mine", "of a directory");
  plant_file(root / "nobody may read it", "secret");
  require(chmod((root / "nobody may read it").c_str(), 0) == 0, root);
  mark(root, "trusted.root", "shown");
  require(chown(root.c_str(), 12, 34) == 0, root);
  require(chmod(root.c_str(), 02751) == 0, root);
}

void plant_times(fs::path const& root) {
  std::vector<fs::path> paths{root};
  for (auto const& entry : fs::recursive_directory_iterator(root)) paths.push_back(entry.path());
  time_t second = -3;
  for (auto const& path : paths) {
    timespec const times[] = {{second * 1000, 999'999'999}, {second * 1001, 123'456'789}};
    require(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0, path);
    ++second;
  }
}

void plant_everything(fs::path const& root, bool marks) {
  plant_sparse_files(root);
  plant_odd_names(root);
  plant_special_files(root, marks);
  plant_hard_links(root);
  plant_attributes(root, marks);
  plant_times(root);
}

}  // namespace snapclone::test
