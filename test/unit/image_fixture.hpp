// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/image.hpp"
#include "kit/child.hpp"
#include "kit/errors_of.hpp"
#include "kit/eventually.hpp"
#include "kit/loops.hpp"
#include "kit/media.hpp"
#include "kit/requirements.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"

#include <boost/filesystem.hpp>
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::test {

namespace fs = boost::filesystem;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;

inline std::uint64_t device_number(fs::path const& path) { return sys::device_of(path); }

inline struct stat status_of(fs::path const& path) {
  struct stat status {};
  BOOST_REQUIRE_MESSAGE(lstat(path.c_str(), &status) == 0, path);
  return status;
}

inline std::uint64_t taken_by(fs::path const& path) {
  return static_cast<std::uint64_t>(status_of(path).st_blocks) * 512;
}

inline bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

inline void write_text(fs::path const& path, std::string const& text) {
  sys::write_file(path, text, sys::Durability::power);
}

inline std::string read_text(fs::path const& path) {
  std::ifstream in(path.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

// The warnings that are logged meanwhile.
inline std::string warnings_of(std::function<void()> const& work) {
  sys::set_log_level("warning");
  std::string text = errors_of([&] {
    try {
      work();
    } catch (std::exception const& error) {
      sys::log_error(std::string("thrown: ") + error.what());
    }
  });
  sys::set_log_level("error");
  return text;
}

// An ext4 of its own, and after the test neither a loop device with a file of it, nor a mount.
struct OnExt4 {
  Media disk{"ext4", "", 1280};
  fs::path pool = disk.path / "pool";
  image::ImageFiles files{pool};
  image::ImageSettings const small{.size = kGiB};

  image::MountedImage mount() { return image::mount_image(pool, small); }
  image::MountedImage mount(image::ImageSettings const& settings) {
    return image::mount_image(pool, settings);
  }

  bool is_mounted() const { return sys::is_mounted(pool); }

  void unmount() const {
    while (is_mounted()) sys::unmount(pool);
    BOOST_REQUIRE(eventually([&] { return loops_on(disk.path).empty(); }));
  }

  // The sentence that it is refused with, when nothing may be mounted and nothing attached.
  std::string refusal(image::ImageSettings const& settings) {
    std::string why = refusal_where_mounted(settings);
    BOOST_TEST(!is_mounted());
    BOOST_TEST(eventually([&] { return loops_on(disk.path).empty(); }));
    return why;
  }
  std::string refusal() { return refusal(small); }

  std::string refusal_where_mounted(image::ImageSettings const& settings) {
    try {
      mount(settings);
    } catch (image::Unavailable const& error) {
      return std::string("unavailable: ") + error.what();
    } catch (std::runtime_error const& error) {
      return error.what();
    }
    return "";
  }

  // The host has not a block left, also for root.
  void fill_host() const {
    sys::Fd file(open((disk.path / "filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    off_t end = 0;
    for (off_t piece = off_t{1} << 30; piece >= 4096;) {
      if (fallocate(file.get(), 0, end, piece) == 0) {
        end += piece;
      } else {
        BOOST_REQUIRE(errno == ENOSPC);
        piece /= 2;
      }
    }
  }
  void free_host() const { fs::remove(disk.path / "filler"); }

  void teardown() { unmount(); }
};

}  // namespace snapclone::test
