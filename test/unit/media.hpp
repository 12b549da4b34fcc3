// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

// File systems to test on: a tmpfs, or an image on a loop device that is made here and goes with
// the object. The image lies in memory, since these tests sync a lot and none is about the disk.
namespace snapclone::test {

namespace fs = boost::filesystem;

class Media {
 public:
  // `type` as mount(8) calls it. Nothing has an access time but what a test gives it.
  explicit Media(std::string const& type, std::string const& tmpfs_options = "size=256m",
                 std::uint64_t megabytes = 512)  // xfs takes no less than 300
      : path(scratch_ / "mounted") {
    bool tmpfs = type == "tmpfs";
    fs::create_directories(tmpfs ? path : scratch_);
    fs::path const& memory = tmpfs ? path : scratch_;
    std::string options =
        tmpfs ? tmpfs_options : "size=" + std::to_string(megabytes + megabytes / 8) + "m";
    if (::mount("tmpfs", memory.c_str(), "tmpfs", MS_NOATIME, options.c_str()) != 0) {
      sys::fail("mount a tmpfs on", memory.string());
    }
    if (tmpfs) return;
    fs::create_directory(path);
    fs::path image = scratch_ / "image";
    std::ofstream(image.string()).close();
    fs::resize_file(image, megabytes << 20U);
    std::string settings = type == "ext4" ? " -I 256" : type == "xfs" ? " -m reflink=1" : "";
    run("mkfs." + type + " -q" + settings + " " + image.string());
    run("mount -t " + type + " -o loop,noatime " + image.string() + " " + path.string());
  }
  ~Media() {
    sys::unmount(path);  // which frees the loop device
    if (sys::is_mounted(scratch_)) sys::unmount(scratch_);
    fs::remove_all(scratch_);
  }
  Media(Media const&) = delete;
  Media& operator=(Media const&) = delete;

 private:
  static void run(std::string const& command) {
    if (std::system((path_ + command + " >/dev/null").c_str()) != 0) {
      throw std::runtime_error(command + " failed");
    }
  }

  static inline std::string const path_ = "PATH=$PATH:/usr/sbin:/sbin ";
  fs::path const scratch_ = fs::temp_directory_path() / fs::unique_path("snapclone-%%%%%%%%");

 public:
  fs::path const path;
};

// For tests that need file systems beyond tmpfs: says what is missing for one of them.
inline auto can_make(std::string const& type) {
  return [type](boost::unit_test::test_unit_id) {
    std::string tool = "mkfs." + type;
    boost::test_tools::assertion_result result(true);
    if (!fs::exists("/usr/sbin/" + tool) && !fs::exists("/sbin/" + tool)) {
      result = boost::test_tools::assertion_result(false);
      result.message() << "there is no " << tool << " here";
    } else if (!fs::exists("/dev/loop-control")) {
      result = boost::test_tools::assertion_result(false);
      result.message() << "there are no loop devices here";
    }
    return result;
  };
}

}  // namespace snapclone::test
