// SPDX-License-Identifier: Apache-2.0
#include "fault/containers_dev.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"
#include "sys/mount.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace snapclone::test {
namespace {

constexpr char kDev[] = "/dev";
constexpr unsigned kMemory = 1;  // its device files

void make(std::string const& name, unsigned minor) {
  std::string path = std::string(kDev) + "/" + name;
  if (mknod(path.c_str(), S_IFCHR | 0666, makedev(kMemory, minor)) != 0) sys::fail("make", path);
}

bool is_loop(std::string const& name) { return name.rfind("loop", 0) == 0; }

}  // namespace

ContainersDev::ContainersDev() {
  if (::mount("tmpfs", kDev, "tmpfs", MS_NOSUID, "mode=0755") != 0) sys::fail("mount", kDev);
  make("null", 3);
  make("zero", 5);
  make("random", 8);
  make("urandom", 9);
}

ContainersDev::~ContainersDev() { sys::unmount(kDev); }

std::string nodes_left() {
  std::string lines;
  for (auto const& name : sys::list_dir(kDev)) {
    if (is_loop(name)) lines += "/dev has \"" + name + "\" left over\n";
  }
  return lines;
}

void remove_nodes() {
  for (auto const& name : sys::list_dir(kDev)) {
    if (is_loop(name)) sys::remove_file(std::string(kDev) + "/" + name);
  }
}

}  // namespace snapclone::test
