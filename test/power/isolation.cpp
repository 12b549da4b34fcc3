// SPDX-License-Identifier: Apache-2.0
#include "power/isolation.hpp"

#include "kit/private_mounts.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem/operations.hpp>

#include <fstream>
#include <string>

#include <fcntl.h>
#include <sched.h>

namespace snapclone::test {
namespace {

namespace fs = boost::filesystem;

constexpr char kBootId[] = "/proc/sys/kernel/random/boot_id";

sys::Fd outside;

}  // namespace

void isolate() {
  outside = sys::Fd(open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
  if (outside.get() < 0) sys::fail("open", "/proc/self/ns/mnt");
  make_mounts_private();
  fs::path file = fs::temp_directory_path() / fs::unique_path("snapclone-boot-%%%%%%%%");
  std::ofstream(file.string()).close();
  sys::bind(file, kBootId);
  fs::remove(file);
}

void leave_isolation() {
  if (setns(outside.get(), CLONE_NEWNS) != 0) sys::fail("return to", "the first mount namespace");
}

void begin_a_boot() {
  static int boots = 0;
  std::string number = std::to_string(++boots);
  std::ofstream(kBootId) << "00000000-0000-4000-8000-" << std::string(12 - number.size(), '0')
                         << number << '\n';
}

}  // namespace snapclone::test
