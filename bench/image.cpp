// SPDX-License-Identifier: Apache-2.0
#include "bench/data.hpp"
#include "bench/samples.hpp"
#include "bench/subjects.hpp"
#include "sys/error.hpp"
#include "sys/file.hpp"

#include <algorithm>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone::bench {
namespace {

constexpr std::uint64_t kMega = 1'000'000;

void drop_caches() {
  sync();
  sys::Fd file(open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
  if (file.get() < 0 || write(file.get(), "3", 1) != 1) sys::fail("drop", "the kernel's caches");
}

void read_all(fs::path const& path) {
  sys::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) sys::fail("open", path.string());
  std::vector<char> block(1U << 20U);
  ssize_t size = 0;
  while ((size = read(file.get(), block.data(), block.size())) > 0) continue;
  if (size < 0) sys::fail("read", path.string());
}

// How much of a file is in the page cache, in kB.
double cached(fs::path const& path) {
  sys::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (file.get() < 0 || fstat(file.get(), &status) != 0) sys::fail("open", path.string());
  auto size = static_cast<std::size_t>(status.st_size);
  auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapped == MAP_FAILED) sys::fail("map", path.string());
  std::vector<unsigned char> pages((size + page - 1) / page);
  int failed = mincore(mapped, size, pages.data());
  munmap(mapped, size);
  if (failed != 0) sys::fail("look at the cached pages of", path.string());
  auto in_memory =
      std::count_if(pages.begin(), pages.end(), [](auto one) { return (one & 1) != 0; });
  return static_cast<double>(in_memory) * static_cast<double>(page) / 1000;
}

// A file of the disk itself, whose blocks are taken and not written.
fs::path make_plain(fs::path const& path, std::uint64_t size) {
  sys::Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.get() < 0) sys::fail("create", path.string());
  if (fallocate(file.get(), 0, 0, static_cast<off_t>(size)) != 0)
    sys::fail("take space for", path.string());
  return path;
}

}  // namespace

void measure_image_mounts(Settings const& settings) {
  Home home(settings, "image-mounts");
  Plugin without(settings.program, home.path / "directory");
  Plugin within(settings.program, home.path / "image", "", kInImage);
  progress("Mount in an image, in turns with one on " + settings.type);
  DataSet const data{6 * kMega, 60};
  Series in_image{"image.mount", "us", data.at()};
  Series in_directory{"image.mount.directory", "us", data.at()};
  struct {
    Plugin const& plugin;
    Caller client;
    Series& series;
  } both[] = {{without, without.connect(), in_directory}, {within, within.connect(), in_image}};
  for (auto& one : both) make_snapshot(one.client, "seed", data);
  sync();
  for (int round = 0; round < settings.choose(300, 60); ++round) {
    for (auto& one : both) {
      std::string id = new_mount_id();
      one.series.values.push_back(timed_mount(one.client, "seed", id));
      one.client.unmount("seed", id);
      one.plugin.wait_for_deleter();
    }
  }
  publish(in_image);
  publish(in_directory);
}

// With nothing of the file, its names and its blocks in memory.
void measure_image_first_write(Settings const& settings) {
  Home home(settings, "image-first-write");
  Plugin plugin(settings.program, home.path, "", kInImage);
  Caller client = plugin.connect();
  struct Size {
    std::string snapshot;
    fs::path plain;
    Series in_clone, bare;
  };
  std::vector<Size> sizes;
  for (std::uint64_t part : {1, 4, 8}) {
    DataSet const data{part * settings.choose(1000, 50) * kMega, 1};
    progress("the first write to a file of " + std::to_string(data.bytes / kMega) +
             " MB in an image");
    make_snapshot(client, data.name(), data);
    std::map<std::string, double> at = {{"bytes", static_cast<double>(data.bytes)}};
    sizes.push_back({data.name(),
                     make_plain(home.path / data.name(), data.bytes),
                     {"image.first-write", "us", at},
                     {"image.first-write.plain", "us", at}});
  }
  for (int round = 0; round < settings.choose(10, 3); ++round) {
    for (auto& size : sizes) {
      std::string id = new_mount_id();
      fs::path file = first_file(client.mount(size.snapshot, id));
      drop_caches();
      size.in_clone.values.push_back(us([&] { write_a_block(file); }));
      drop_caches();
      size.bare.values.push_back(us([&] { write_a_block(size.plain); }));
      client.unmount(size.snapshot, id);
      plugin.wait_for_deleter();
    }
  }
  for (auto const& size : sizes) {
    publish(size.in_clone);
    publish(size.bare);
  }
}

// Both that of the file and that of the image, whose blocks would be cached once more if the loop
// device did not go around the cache.
void measure_image_cache(Settings const& settings) {
  Home home(settings, "image-cache");
  Plugin plugin(settings.program, home.path, "", kInImage);
  Caller client = plugin.connect();
  DataSet const data{settings.choose(1000, 100) * kMega, 1};
  progress("the page cache after reading " + std::to_string(data.bytes / kMega) +
           " MB in an image");
  make_snapshot(client, "seed", data);
  Series cache{"image.cache", "kB", {{"bytes", static_cast<double>(data.bytes)}}};
  for (int round = 0; round < settings.choose(3, 1); ++round) {
    std::string id = new_mount_id();
    fs::path file = first_file(client.mount("seed", id));
    drop_caches();
    read_all(file);
    cache.values.push_back(cached(file) + cached(home.path / "pool.img"));
    client.unmount("seed", id);
  }
  publish(cache);
}

}  // namespace snapclone::bench
