// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <cstdint>
#include <string>

namespace snapclone::test {

namespace fs = boost::filesystem;

// A file system to test on, mounted while the object lives: a tmpfs, or an image on a loop device.
// The image lies in memory, since these tests sync a lot and none is about the disk.
class Media {
 public:
  // `type` as mount(8) calls it. Nothing has an access time but what a test gives it.
  explicit Media(std::string const& type, std::string const& tmpfs_options = "size=256m",
                 std::uint64_t megabytes = 512,  // xfs takes no less than 300
                 std::string const& mkfs_options = "");
  ~Media();
  Media(Media const&) = delete;
  Media& operator=(Media const&) = delete;

 private:
  fs::path const scratch_;

 public:
  fs::path const path;
};

}  // namespace snapclone::test
