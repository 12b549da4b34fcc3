// SPDX-License-Identifier: Apache-2.0
#include "sys/file.hpp"

#include "sys/dir_stream.hpp"
#include "sys/error.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::sys {
namespace {

constexpr std::size_t kLargestRecord = 1U << 20U;

void write_all(int fd, std::string_view content, fs::path const& path) {
  while (!content.empty()) {
    ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", path.string());
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) close(fd_);
}

Fd open_dir(fs::path const& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0) fail("open directory", path.string());
  return fd;
}

void make_dir(fs::path const& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) != 0) fail("make directory", path.string());
}

void ensure_dir(fs::path const& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) return;
  if (errno != EEXIST) fail("make directory", path.string());
  open_dir(path);
}

void make_private(fs::path const& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) fail("open", path.string());
  struct stat now {};
  if (fstat(fd.get(), &now) != 0) fail("look at", path.string());
  mode_t wanted = S_ISDIR(now.st_mode) ? 0700 : 0600;
  if ((now.st_uid != 0 || now.st_gid != 0) && fchown(fd.get(), 0, 0) != 0) {
    fail("change owner of", path.string());
  }
  if ((now.st_mode & 07777U) != wanted && fchmod(fd.get(), wanted) != 0) {
    fail("change mode of", path.string());
  }
}

bool exists(fs::path const& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0) return true;
  if (errno != ENOENT && errno != ENOTDIR) fail("look at", path.string());
  return false;
}

std::vector<std::string> list_dir(fs::path const& path) {
  DirStream stream(open_dir(path), path.string());
  std::vector<std::string> names;
  while (auto name = stream.next()) names.push_back(std::move(*name));
  return names;
}

bool is_empty_dir(fs::path const& path) { return !DirStream(open_dir(path), path.string()).next(); }

std::size_t least_subdirs(fs::path const& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) fail("look at", path.string());
  return status.st_nlink < 2 ? 0 : status.st_nlink - 2;
}

std::string read_file(fs::path const& path) {
  // If it is a fifo, opening it must not wait.
  Fd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0) fail("open", path.string());
  std::string content;
  char buffer[4096];
  for (;;) {
    ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read", path.string());
    if (got == 0) return content;
    content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > kLargestRecord) throw Error("read", path.string(), EFBIG);
  }
}

fs::path temporary_of(fs::path const& path) {
  return path.parent_path() / ("." + path.filename().string());
}

void write_file(fs::path const& path, std::string_view content, Durability durability) {
  fs::path temporary = temporary_of(path);
  Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) fail("create", temporary.string());
  try {
    write_all(fd.get(), content, temporary);
    if (durability == Durability::power && fsync(fd.get()) != 0) fail("sync", temporary.string());
    if (rename(temporary.c_str(), path.c_str()) != 0) fail("replace", path.string());
  } catch (Error const&) {
    unlink(temporary.c_str());
    throw;
  }
}

void write_new_file(fs::path const& path, std::string_view content, mode_t mode) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (fd.get() < 0) fail("create", path.string());
  write_all(fd.get(), content, path);
  if (fchmod(fd.get(), mode) != 0) fail("change mode of", path.string());
}

bool overwrite_file(fs::path const& path, std::string_view content) {
  Fd fd(open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) return false;
  if (fd.get() < 0) fail("open", path.string());
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) fail("look at", path.string());
  if (status.st_size != static_cast<off_t>(content.size())) return false;
  write_all(fd.get(), content, path);
  return true;
}

void remove_file(fs::path const& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) fail("remove", path.string());
}

void sync_dir(fs::path const& path) {
  if (fsync(open_dir(path).get()) != 0) fail("sync directory", path.string());
}

int sync_filesystem(int fd) { return syncfs(fd) == 0 ? 0 : errno; }

void rename_new(fs::path const& from, fs::path const& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    fail("move " + from.string() + " to", to.string());
  }
}

}  // namespace snapclone::sys
