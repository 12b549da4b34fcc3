// SPDX-License-Identifier: Apache-2.0
#include "sys/mount.hpp"

#include "sys/error.hpp"
#include "sys/text.hpp"

#include <sstream>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace snapclone::sys {
namespace {

constexpr std::size_t kMountDataLimit = 4096;  // PAGE_SIZE, including the closing NUL

// Gives the calling thread a working directory of its own (once), and sets it.
void enter(int directory) {
  thread_local bool own = false;
  if (!own && unshare(CLONE_FS) != 0) fail("unshare the working directory of", "a thread");
  own = true;
  if (fchdir(directory) != 0) fail("change to", "the pool");
}

// A directory's path as an option of overlayfs. The kernel takes options apart at commas and colons
// and removes backslashes, in another way in mount(2) than in fsconfig(2) and from one version to
// the next (before Linux 6.5 fsconfig takes no comma at all). So a path with unusual characters is
// not escaped, but named by a descriptor, which must stay open until the mount is made.
class OptionPath {
 public:
  explicit OptionPath(std::string path) : text_(std::move(path)) {
    constexpr char kUsual[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
    if (text_.find_first_not_of(kUsual) == std::string::npos) return;
    held_ = Fd(open(text_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (held_.get() < 0) fail("open directory", text_);
    text_ = "/proc/self/fd/" + std::to_string(held_.get());
  }
  std::string const& text() const { return text_; }

 private:
  Fd held_;
  std::string text_;
};

}  // namespace

dev_t device_of(fs::path const& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) fail("look at", path.string());
  return status.st_dev;
}

bool is_mounted(fs::path const& directory, dev_t around) {
  struct stat status {};
  if (lstat(directory.c_str(), &status) != 0) return errno != ENOENT;
  return status.st_dev != around;
}

bool is_mounted(fs::path const& directory) {
  struct stat status {};
  if (lstat(directory.c_str(), &status) != 0) return errno != ENOENT;
  return status.st_dev != device_of(directory.parent_path());
}

void ensure_mount_point(fs::path const& directory) {
  if (mkdir(directory.c_str(), 0700) == 0) return;
  if (errno != EEXIST) fail("make directory", directory.string());
  if (!is_mounted(directory)) open_dir(directory);
}

void mount_overlay(Overlay const& overlay, fs::path const& target) {
  enter(overlay.base);
  OptionPath upper(overlay.upper);
  OptionPath work(overlay.work);
  std::string data = "lowerdir=" + join(overlay.lower, ":") + "," + overlay.options;
  if (!overlay.upper.empty()) data += ",upperdir=" + upper.text() + ",workdir=" + work.text();
  if (data.size() >= kMountDataLimit) {
    throw std::runtime_error("cannot mount " + target.string() + ": its " +
                             std::to_string(overlay.lower.size()) +
                             " layers need more mount options than the kernel takes");
  }
  unsigned long flags = overlay.read_only ? MS_RDONLY : 0;
  if (mount(overlay.source.c_str(), target.c_str(), "overlay", flags, data.c_str()) != 0) {
    fail("mount an overlay on", target.string());
  }
}

int try_overlay(Overlay const& overlay) {
  enter(overlay.base);
  OptionPath upper(overlay.upper);
  OptionPath work(overlay.work);
  Fd context(fsopen("overlay", FSOPEN_CLOEXEC));
  if (context.get() < 0) return errno;
  std::vector<std::pair<std::string, std::string>> settings = {
      {"lowerdir", join(overlay.lower, ":")}, {"upperdir", upper.text()}, {"workdir", work.text()}};
  std::istringstream options(overlay.options);
  for (std::string option; std::getline(options, option, ',');) {
    auto equals = option.find('=');
    settings.emplace_back(option.substr(0, equals), option.substr(equals + 1));
  }
  for (auto const& [key, value] : settings) {
    if (fsconfig(context.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0) != 0) {
      return errno;
    }
  }
  return fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0 ? 0 : errno;
}

void bind(fs::path const& from, fs::path const& target) {
  if (mount(from.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    fail("mount " + from.string() + " on", target.string());
  }
}

void make_bind_read_only(fs::path const& target) {
  unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY;
  struct statvfs kept {};  // flags that are not named would be cleared
  if (statvfs(target.c_str(), &kept) != 0) fail("look at", target.string());
  if ((kept.f_flag & ST_NOSUID) != 0) flags |= MS_NOSUID;
  if ((kept.f_flag & ST_NODEV) != 0) flags |= MS_NODEV;
  if ((kept.f_flag & ST_NOEXEC) != 0) flags |= MS_NOEXEC;
  if ((kept.f_flag & ST_NOATIME) != 0) flags |= MS_NOATIME;
  if ((kept.f_flag & ST_RELATIME) != 0) flags |= MS_RELATIME;
  if (mount(nullptr, target.c_str(), nullptr, flags, nullptr) != 0) {
    fail("make read-only", target.string());
  }
}

void mount_tmpfs(fs::path const& target, std::string const& options) {
  if (mount("snapclone", target.c_str(), "tmpfs", MS_NODEV | MS_NOSUID, options.c_str()) != 0) {
    fail("mount a tmpfs on", target.string());
  }
}

void unmount(fs::path const& target) {
  if (umount2(target.c_str(), UMOUNT_NOFOLLOW) == 0) return;
  if (errno == EBUSY && umount2(target.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0) return;
  fail("unmount", target.string());
}

}  // namespace snapclone::sys
