// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/xfs.hpp"
#include "kit/command.hpp"
#include "kit/media.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"

#include <boost/filesystem/operations.hpp>
#include <boost/test/unit_test.hpp>

#include <string>

#include <fcntl.h>

namespace snapclone::test {

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
inline constexpr std::uint64_t kTiB = std::uint64_t{1} << 40U;

inline constexpr image::Uuid kUuid{0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33,
                                   0x44, 0x44, 0x55, 0x55, 0x66, 0x66, 0x77, 0x77};
inline constexpr char kUuidText[] = "11111111-2222-3333-4444-555566667777";

// A directory in memory, for images.
struct Images {
  Media media{"tmpfs", "size=512m"};
  fs::path const& path = media.path;

  sys::Fd open(std::string const& name, int flags = O_RDWR) const {
    sys::Fd file(::open((path / name).c_str(), flags | O_CLOEXEC, 0600));
    BOOST_REQUIRE(file.get() >= 0);
    return file;
  }

  sys::Fd open_new(std::string const& name) const { return open(name, O_RDWR | O_CREAT | O_TRUNC); }

  fs::path make(std::string const& name, std::uint64_t size,
                image::Uuid const& uuid = kUuid) const {
    image::make_xfs(open_new(name).get(), size, uuid);
    return path / name;
  }
};

inline void require_clean(fs::path const& image) { run("xfs_repair -n " + image.string()); }

}  // namespace snapclone::test
