// SPDX-License-Identifier: Apache-2.0
#include "sys/dir_stream.hpp"

#include "sys/error.hpp"

#include <cerrno>
#include <string_view>
#include <utility>

namespace snapclone::sys {

DirStream::DirStream(Fd directory, std::string path)
    : stream_(fdopendir(directory.get())), path_(std::move(path)) {
  if (!stream_) fail("list directory", path_);
  directory.release();
}

std::optional<std::string> DirStream::next() {
  for (;;) {
    errno = 0;
    dirent const* entry = readdir(stream_.get());
    if (entry == nullptr && errno != 0) fail("list directory", path_);
    if (entry == nullptr) return std::nullopt;
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") return std::string(name);
  }
}

}  // namespace snapclone::sys
