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
// The same, but an existing directory is fine, whatever its mode.
void ensure_dir(fs::path const& path, mode_t mode = 0700);

// Makes a file or directory root's alone: owner and group become root, the mode 0600 or 0700.
void make_private(fs::path const& path);

bool exists(fs::path const& path);

// Names in a directory, without "." and "..", in no order.
std::vector<std::string> list_dir(fs::path const& path);

// Whether a directory has no entries. No slower for a large one.
bool is_empty_dir(fs::path const& path);

// A lower bound for the number of directories in a directory, from its link count; 0 on file
// systems that do not count (btrfs).
std::size_t least_subdirs(fs::path const& path);

// Whole file, at most 1 MiB; more is an error (EFBIG): our records are small.
std::string read_file(fs::path const& path);

enum class Durability {
  process,  // survives kill -9 of this process: nothing is synced
  power     // the content survives a power cut; sync_dir() makes the file's name survive too
};

// Replaces the file as a whole or not at all: writes a temporary file beside it, whose name begins
// with a dot as no volume's does, and renames that. Only a process that ends just then leaves the
// temporary file behind. The mode is 0600.
void write_file(fs::path const& path, std::string_view content, Durability durability);
fs::path temporary_of(fs::path const& path);

// Makes a file, which must not exist: nobody else can have prepared it, as a link to another one.
void write_new_file(fs::path const& path, std::string_view content, mode_t mode);

// Overwrites a file with a record of the same length. If old and new differ in a single character,
// a reader finds one or the other, also after a kill -9; a power cut may leave neither. Returns
// false, and does nothing, if the file is missing or has another length. It costs a tenth of
// write_file(): ext4 writes a file out before it replaces another one.
bool overwrite_file(fs::path const& path, std::string_view content);

// Removes a file; one that is not there is fine.
void remove_file(fs::path const& path);

void sync_dir(fs::path const& path);

// Writes out everything dirty in the file system of an open file (syncfs(2)). Returns 0, or the
// errno of a failed write, also an earlier one, and anyone's (since Linux 5.8). Each open file is
// told once: of a failure since it was opened, or of an older one that nobody was told of.
int sync_filesystem(int fd);

// rename(2) that fails with EEXIST rather than replace anything.
void rename_new(fs::path const& from, fs::path const& to);

}  // namespace snapclone::sys
