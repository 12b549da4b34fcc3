// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "power/record.hpp"

#include <boost/filesystem.hpp>

#include <string>
#include <vector>

namespace snapclone::test {

namespace fs = boost::filesystem;

// A file whose every change is recorded, in the order in which the kernel made them. It is all that
// there is in a FUSE file system, which a process of its own serves, one request at a time: if the
// tests are killed their mounts still need it to come down. It is always open for direct I/O, so
// that no cache keeps a write back.
class RecordedFile {
 public:
  explicit RecordedFile(Image const& content);
  ~RecordedFile();  // nobody has it open any more
  RecordedFile(RecordedFile const&) = delete;
  RecordedFile& operator=(RecordedFile const&) = delete;

  Record record;
  fs::path const path;

 private:
  int server_ = 0;
};

// A loop device on such a file. A write that the device has completed is in the record, and a flush
// is there, as the file's fsync, before the device has completed it (disk_test.cpp).
class Disk {
 public:
  explicit Disk(Image const& content);

  std::string const& device() const { return device_; }
  Moment now() const { return file_.record.now(); }
  std::vector<Change> changes() const { return file_.record.changes(); }

 private:
  RecordedFile file_;
  std::string device_;
  sys::Fd loop_;  // it is freed when it is closed and not mounted any more
};

}  // namespace snapclone::test
