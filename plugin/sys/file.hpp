// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

// Files and directories with the guarantees the catalogue needs. Everything throws sys::Error;
// nothing keeps state, so every function may be called from any thread.
namespace snapclone::sys {

namespace fs = boost::filesystem;

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

Fd open_dir(fs::path const& path);

// Makes a directory with exactly this mode (the process runs with umask 0).
void make_dir(fs::path const& path, mode_t mode = 0700);
// The same, but an existing directory is fine. True if it was made.
bool ensure_dir(fs::path const& path, mode_t mode = 0700);

bool exists(fs::path const& path);

// Names in a directory, without "." and "..", in no order.
std::vector<std::string> list_dir(fs::path const& path);

// Whole file, at most 1 MiB; more is an error (EFBIG): our records are small.
std::string read_file(fs::path const& path);

enum class Durability {
  process,  // survives kill -9 of this process: nothing is synced
  power     // the content survives a power cut; sync_dir() makes the file's name survive too
};

// Replaces the file as a whole or not at all: a temporary file beside it, whose name begins with a
// dot as no volume's does, then rename.
void write_file(fs::path const& path, std::string_view content, Durability durability);

// Removes a file; one that is not there is fine.
void remove_file(fs::path const& path);

void sync_dir(fs::path const& path);

// Writes out everything dirty in the file system that holds `path` (syncfs(2), which reports
// write errors since Linux 5.8).
void sync_filesystem(fs::path const& path);

// rename(2) that fails with EEXIST rather than replace anything.
void rename_new(fs::path const& from, fs::path const& to);

}  // namespace snapclone::sys
