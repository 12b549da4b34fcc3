// SPDX-License-Identifier: Apache-2.0
#include "power/disk.hpp"
#include "power/isolation.hpp"
#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <cstdarg>
#include <fstream>
#include <memory>
#include <stdexcept>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

namespace snapclone::test {
namespace {

struct Served {
  Image content;
  Record& record;

  void change(Change const& change) {
    change.apply_to(content);
    record.add(change);
  }
};

Served& served(fuse_req_t request) { return *static_cast<Served*>(fuse_req_userdata(request)); }

void get_attributes(fuse_req_t request, fuse_ino_t /*file*/, fuse_file_info* /*open*/) {
  struct stat status {};
  status.st_ino = FUSE_ROOT_ID;
  status.st_mode = S_IFREG | 0600;
  status.st_nlink = 1;
  status.st_size = static_cast<off_t>(served(request).content.size());
  fuse_reply_attr(request, &status, 3600);
}

void open_file(fuse_req_t request, fuse_ino_t /*file*/, fuse_file_info* open) {
  open->direct_io = 1;
  fuse_reply_open(request, open);
}

void read_file(fuse_req_t request, fuse_ino_t /*file*/, std::size_t size, off_t at,
               fuse_file_info* /*open*/) {
  std::string bytes = served(request).content.read(static_cast<std::uint64_t>(at), size);
  fuse_reply_buf(request, bytes.data(), bytes.size());
}

void write_file(fuse_req_t request, fuse_ino_t /*file*/, char const* bytes, std::size_t size,
                off_t at, fuse_file_info* /*open*/) {
  served(request).change(
      {Change::What::write, static_cast<std::uint64_t>(at), size, std::string(bytes, size)});
  fuse_reply_write(request, size);
}

void sync_file(fuse_req_t request, fuse_ino_t /*file*/, int /*data only*/,
               fuse_file_info* /*open*/) {
  served(request).change({Change::What::flush, 0, 0, ""});
  fuse_reply_err(request, 0);
}

// How the loop device discards, and writes zeros.
void punch_file(fuse_req_t request, fuse_ino_t /*file*/, int mode, off_t at, off_t length,
                fuse_file_info* /*open*/) {
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) == 0) {
    fuse_reply_err(request, EOPNOTSUPP);
    return;
  }
  served(request).change(
      {Change::What::zero, static_cast<std::uint64_t>(at), static_cast<std::uint64_t>(length), ""});
  fuse_reply_err(request, 0);
}

fuse_lowlevel_ops const& operations() {
  static fuse_lowlevel_ops const all = [] {
    fuse_lowlevel_ops made{};
    made.getattr = get_attributes;
    made.open = open_file;
    made.read = read_file;
    made.write = write_file;
    made.fsync = sync_file;
    made.fallocate = punch_file;
    return made;
  }();
  return all;
}

using Session = std::unique_ptr<fuse_session, void (*)(fuse_session*)>;

// What is mounted on a file is a file itself: the file system's root.
Session mounted(fs::path const& path, Served& served) {
  char name[] = "power_tests";
  char* arguments[] = {name};
  fuse_args args = FUSE_ARGS_INIT(1, arguments);
  Session session(fuse_session_new(&args, &operations(), sizeof operations(), &served),
                  fuse_session_destroy);
  if (!session || fuse_session_mount(session.get(), path.c_str()) != 0) {
    throw std::runtime_error("cannot mount a FUSE file system on " + path.string());
  }
  return session;
}

}  // namespace

RecordedFile::RecordedFile(Image const& content)
    : path(fs::temp_directory_path() / fs::unique_path("snapclone-disk-%%%%%%%%")) {
  std::ofstream(path.string()).close();
  Served served{content, record};
  Session session = mounted(path, served);
  server_ = fork();
  if (server_ < 0) sys::fail("start", "the server of a FUSE file system");
  if (server_ > 0) return;
  leave_isolation();
  setsid();  // a signal for the tests is not meant for it
  fuse_set_log_func([](fuse_log_level, char const*, va_list) {});  // that it has been unmounted
  int status = fuse_session_loop(session.get());
  fs::remove(path);
  _exit(status);
}

RecordedFile::~RecordedFile() {
  sys::unmount(path);  // which ends the server
  waitpid(server_, nullptr, 0);
}

}  // namespace snapclone::test
