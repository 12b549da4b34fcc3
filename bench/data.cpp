// SPDX-License-Identifier: Apache-2.0
#include "bench/data.hpp"

#include "sys/error.hpp"
#include "sys/file.hpp"
#include "volume/record.hpp"

#include <random>

#include <fcntl.h>
#include <unistd.h>

namespace snapclone::bench {
namespace {

constexpr unsigned kFilesInDirectory = 100;
constexpr std::size_t kBlock = 1U << 20U;

std::string noise() {
  std::mt19937_64 random{1};
  std::string block(kBlock, '\0');
  for (auto& byte : block) byte = static_cast<char>(random());
  return block;
}

}  // namespace

fs::path file_of(fs::path const& directory, unsigned number) {
  return directory / ("dir-" + std::to_string(number / kFilesInDirectory)) /
         ("file-" + std::to_string(number));
}

void fill(fs::path const& directory, DataSet const& data) {
  static std::string const block = noise();
  std::uint64_t size = data.bytes / data.files;
  for (unsigned number = 0; number < data.files; ++number) {
    fs::path path = file_of(directory, number);
    if (number % kFilesInDirectory == 0) sys::make_dir(path.parent_path(), 0755);
    sys::Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (file.get() < 0) sys::fail("create", path.string());
    for (std::uint64_t left = size; left > 0;) {
      std::size_t part = std::min<std::uint64_t>(left, block.size());
      if (write(file.get(), block.data(), part) != static_cast<ssize_t>(part)) {
        sys::fail("write", path.string());
      }
      left -= part;
    }
  }
}

void write_a_block(fs::path const& path) {
  sys::Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file.get() < 0) sys::fail("open", path.string());
  std::string block(4096, 'x');
  if (pwrite(file.get(), block.data(), block.size(), 0) != static_cast<ssize_t>(block.size())) {
    sys::fail("write", path.string());
  }
}

void make_snapshot(Caller& client, std::string const& name, DataSet const& data) {
  std::string volume = name + "-source";
  std::string id = new_mount_id();
  client.create(volume);
  fill(client.mount(volume, id), data);
  client.unmount(volume, id);
  client.create(name, {{"snapshot-of", volume}});
}

fs::path tree_of(Plugin const& plugin, std::string const& snapshot) {
  std::string text = sys::read_file(plugin.pool() / "volumes" / snapshot / "volume.json");
  return plugin.pool() / "layers" / volume::decode_record(text).stack.front() / "fs";
}

}  // namespace snapclone::bench
