// SPDX-License-Identifier: Apache-2.0
#include "image/loop_device.hpp"

#include "sys/error.hpp"

#include <charconv>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace snapclone::image {
namespace {

// Documentation/admin-guide/devices.txt of the kernel.
constexpr unsigned kLoopMajor = 7;
constexpr unsigned kMiscMajor = 10;
constexpr unsigned kLoopControlMinor = 237;

constexpr unsigned kBlock = 4096;
constexpr int kAttempts = 100;  // others take free devices, and remove nodes, as well
constexpr std::chrono::milliseconds kPause{5};

std::string const kSys = "/sys/block";

// N of "loopN".
std::optional<int> index_of(std::string const& name) {
  constexpr std::string_view kPrefix = "loop";
  if (name.compare(0, kPrefix.size(), kPrefix) != 0) return std::nullopt;
  int index = 0;
  char const* last = name.data() + name.size();
  auto [end, error] = std::from_chars(name.data() + kPrefix.size(), last, index);
  if (error != std::errc() || end != last) return std::nullopt;
  return index;
}

DeviceNode open_loop(int index, int flags) {
  return {"/dev/loop" + std::to_string(index), S_IFBLK,
          makedev(kLoopMajor, static_cast<unsigned>(index)), flags};
}

std::string advice_for(int code) {
  switch (code) {
    case EPERM:
    case EACCES:
      return "the plugin may not use loop devices: install the variant whose tag ends in "
             "\"-image\", which asks for that";
    case ENXIO:
    case ENODEV:
      return "this kernel has no loop devices, or may not load them: load the module \"loop\" on "
             "the host";
    default:
      return "";
  }
}

bool is_gone(int code) { return code == ENXIO || code == ENODEV; }

}  // namespace

DeviceNode::DeviceNode(fs::path path, mode_t type, dev_t number, int flags)
    : path_(std::move(path)) {
  constexpr mode_t kMode = 0600;
  for (int attempt = 1;; ++attempt) {
    made_ = mknod(path_.c_str(), type | kMode, number) == 0;
    if (!made_ && errno != EEXIST) {
      int code = errno;
      throw sys::Error("make the device file", path_.string(), code, advice_for(code));
    }
    fd_ = sys::Fd(open(path_.c_str(), flags | O_CLOEXEC));
    if (fd_.get() >= 0) return;
    int code = errno;
    if (made_) (void)unlink(path_.c_str());
    // Another process had made it, and has removed it again.
    bool removed = code == ENOENT && !made_;
    if (!removed || attempt == kAttempts) {
      throw sys::Error("open", path_.string(), code, advice_for(code));
    }
  }
}

DeviceNode::DeviceNode(DeviceNode&& other) noexcept
    : path_(std::move(other.path_)),
      made_(std::exchange(other.made_, false)),
      fd_(std::move(other.fd_)) {}

DeviceNode::~DeviceNode() {
  if (made_) (void)unlink(path_.c_str());
}

LoopDevice::LoopDevice(DeviceNode node, int index)
    : node_(std::move(node)),
      index_(index),
      number_(makedev(kLoopMajor, static_cast<unsigned>(index))) {}

std::optional<LoopDevice> LoopDevice::opened(int index) {
  try {
    return LoopDevice(open_loop(index, O_RDONLY), index);
  } catch (sys::Error const& error) {
    if (is_gone(error.code())) return std::nullopt;
    throw;
  }
}

std::optional<LoopDevice> LoopDevice::find(struct stat const& file) {
  std::string unusable;
  for (auto const& name : sys::list_dir(kSys)) {
    auto index = index_of(name);
    if (!index || !sys::exists(fs::path(kSys) / name / "loop")) continue;
    // Opened first, and asked then: while it is open it cannot change to another file.
    auto device = opened(*index);
    if (!device) continue;
    loop_info64 info{};
    if (ioctl(device->node_.fd(), LOOP_GET_STATUS64, &info) != 0) {
      if (is_gone(errno)) continue;  // free by now
      sys::fail("ask what is attached to", device->node_.path().string());
    }
    if (info.lo_device != file.st_dev || info.lo_inode != file.st_ino) continue;
    bool whole = info.lo_offset == 0 && info.lo_sizelimit == 0;
    if (whole && (info.lo_flags & LO_FLAGS_READ_ONLY) == 0) return device;
    unusable = device->node_.path().string() + " has it already, " +
               (whole ? "read-only" : "and only a part of it") +
               ": unmount what is mounted from that, and detach it with \"losetup -d\"";
  }
  if (!unusable.empty()) throw std::runtime_error(unusable);
  return std::nullopt;
}

LoopDevice LoopDevice::attach(int file, std::string const& name) {
  DeviceNode control("/dev/loop-control", S_IFCHR, makedev(kMiscMajor, kLoopControlMinor), O_RDWR);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    int index = ioctl(control.fd(), LOOP_CTL_GET_FREE);
    if (index < 0) sys::fail("get a free loop device from", control.path().string());
    if (auto device = opened(index)) {
      if (device->take(file, name)) return std::move(*device);
    }
    std::this_thread::sleep_for(kPause);
  }
  throw sys::Error("attach", name, EBUSY, "other programs took every free loop device");
}

// False if somebody was faster. This object has it open for reading only, and not with O_EXCL:
// mount(2) must be able to open it for itself.
bool LoopDevice::take(int file, std::string const& name) const {
  DeviceNode writable = open_loop(index_, O_RDWR);
  loop_config config{};
  config.fd = static_cast<unsigned>(file);
  config.block_size = kBlock;
  config.info.lo_flags = LO_FLAGS_DIRECT_IO | LO_FLAGS_AUTOCLEAR;
  name.copy(reinterpret_cast<char*>(config.info.lo_file_name), LO_NAME_SIZE - 1);
  if (ioctl(writable.fd(), LOOP_CONFIGURE, &config) == 0) return true;
  if (errno == EBUSY || is_gone(errno)) return false;
  sys::fail("attach " + name + " to", node_.path().string());
}

DeviceNode LoopDevice::node() const { return open_loop(index_, O_RDONLY); }

bool LoopDevice::direct_io() const {
  fs::path file = fs::path(kSys) / ("loop" + std::to_string(index_)) / "loop/dio";
  return sys::read_file(file) == "1\n";
}

void LoopDevice::take_new_size() const {
  if (ioctl(node_.fd(), LOOP_SET_CAPACITY) != 0) sys::fail("enlarge", node_.path().string());
}

LoopDevice device_of(int file, std::string const& name, std::chrono::milliseconds patience) {
  struct stat status {};
  if (fstat(file, &status) != 0) sys::fail("look at", name);
  auto const end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    bool locked = flock(file, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno != EWOULDBLOCK) sys::fail("lock", name);
    // Also with the lock: somebody may have attached it by hand, without.
    if (auto device = LoopDevice::find(status)) return std::move(*device);
    if (locked) return LoopDevice::attach(file, name);
    if (std::chrono::steady_clock::now() > end) break;
    std::this_thread::sleep_for(kPause);
  }
  throw std::runtime_error("cannot attach " + name +
                           ": another process has it locked, and no loop device has it. Is it "
                           "being copied or moved? Try again when that has ended");
}

}  // namespace snapclone::image
