// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <chrono>
#include <optional>
#include <string>

#include <sys/stat.h>

namespace snapclone::image {

namespace fs = boost::filesystem;

// A device's node in /dev, opened. In a plugin's container /dev has no node of a disk: then one is
// made, and removed again by the destructor. So the path may be gone when another process made it.
class DeviceNode {
 public:
  // Throws sys::Error, with the way out.
  DeviceNode(fs::path path, mode_t type, dev_t number, int flags);
  DeviceNode(DeviceNode&& other) noexcept;
  DeviceNode& operator=(DeviceNode&&) = delete;
  ~DeviceNode();

  int fd() const { return fd_.get(); }
  fs::path const& path() const { return path_; }

 private:
  fs::path path_;
  bool made_ = false;
  sys::Fd fd_;
};

// A loop device that a whole file is attached to, for reading and writing. The file stays attached
// while this object lives. The kernel detaches it when the last mount and the last such object have
// gone (LO_FLAGS_AUTOCLEAR), unless somebody attached it by hand, without that flag. Everything
// throws sys::Error.
class LoopDevice {
 public:
  // The device that the file is attached to, if any. The file is known by device and inode: the
  // path that the kernel shows changes with mount namespaces. Throws std::runtime_error if the file
  // is attached only to devices that cannot be used: read-only, or for a part of it.
  static std::optional<LoopDevice> find(struct stat const& file);

  // Attaches an open file to a free device, with blocks of 4096 bytes and, where the file can,
  // direct I/O: without that everything read would be in the page cache twice. `name` is only for
  // people who look at the device.
  static LoopDevice attach(int file, std::string const& name);

  dev_t number() const { return number_; }
  bool direct_io() const;

  // Another node of it, for mount(2), which wants a path.
  DeviceNode node() const;

  // The file has become longer. Needs CAP_SYS_ADMIN.
  void take_new_size() const;

 private:
  LoopDevice(DeviceNode node, int index);
  static std::optional<LoopDevice> opened(int index);  // none if there is no such device
  bool take(int file, std::string const& name) const;

  DeviceNode node_;
  int index_;
  dev_t number_;
};

// The device of an image, attached if it was not: see mount_image() for the rules. `file` is opened
// for writing. Waits so long for somebody who is just attaching or detaching it, then throws
// std::runtime_error.
LoopDevice device_of(int file, std::string const& name, std::chrono::milliseconds patience);

}  // namespace snapclone::image
