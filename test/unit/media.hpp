// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/error.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

// File systems to test on: a tmpfs, or an image on a loop device that is made here and goes with
// the object.
namespace snapclone::test {

namespace fs = boost::filesystem;

class Media {
 public:
  // `type` as mount(8) calls it. Nothing has an access time but what a test gives it.
  explicit Media(std::string const& type, std::string const& tmpfs_options = "size=256m")
      : path(scratch_ / "mounted") {
    fs::create_directories(path);
    if (type == "tmpfs") {
      int result = ::mount("tmpfs", path.c_str(), "tmpfs", MS_NOATIME, tmpfs_options.c_str());
      if (result != 0) sys::fail("mount a tmpfs on", path.string());
      return;
    }
    fs::path image = scratch_ / "image";
    std::ofstream(image.string()).close();
    fs::resize_file(image, 512U << 20U);  // xfs takes no less than 300 MiB
    std::string options = type == "ext4" ? " -I 256" : type == "xfs" ? " -m reflink=1" : "";
    run("mkfs." + type + " -q" + options + " " + image.string());
    run("mount -t " + type + " -o loop,noatime " + image.string() + " " + path.string());
  }
  ~Media() {
    sys::unmount(path);  // which frees the loop device
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
