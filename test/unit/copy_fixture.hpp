// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/manifest.hpp"
#include "kit/media.hpp"
#include "kit/world.hpp"
#include "sys/cancelled.hpp"
#include "tree/copy_tree.hpp"

#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// What the tests of the copy stand on: a file system with an empty tree to copy.
namespace snapclone::test {

struct Copying {
  explicit Copying(std::string const& type = "tmpfs", std::string const& options = "size=256m")
      : media(type, options) {
    fs::create_directory(from);
    fs::create_directory(outside);
  }

  // Copies the tree to a new directory.
  tree::CopyReport copy(tree::CopyOptions const& options = {}) {
    make_target();
    return tree::copy_tree(from, to, options);
  }

  // Copies the tree while another thread waits for something to be seen of the copy, and acts then.
  tree::CopyReport copy_and(std::function<bool()> const& seen, std::function<void()> const& act,
                            tree::CopyOptions const& options = {}) {
    make_target();  // before the other thread looks there
    std::jthread const other([&](std::stop_token const& ended) {
      while (!seen()) {
        if (ended.stop_requested()) return;
      }
      act();
    });
    return tree::copy_tree(from, to, options);
  }

  // Whether a copy ends early if it is cancelled once something is to be seen of it. A copy that is
  // faster than the thread that looks is made again.
  bool ends_when_cancelled(std::function<bool()> const& seen, tree::CopyOptions options = {}) {
    for (int round = 0; round < 100; ++round) {
      std::stop_source stop;
      options.stop = stop.get_token();
      try {
        copy_and(
            seen, [&] { stop.request_stop(); }, options);
      } catch (sys::Cancelled const&) {
        return true;
      }
      fs::remove_all(to);
    }
    return false;
  }

  void make_target() {
    to = media.path / ("to" + std::to_string(++copies));
    fs::create_directory(to);
  }

  // Secrets beside the tree; every file in the tree itself holds "inside" then.
  void plant_outside() const {
    World::write(outside / "secret", "outside");
    fs::create_directory(outside / "inner");
    World::write(outside / "inner" / "secret", "outside");
  }

  // Copies the tree, proves that nothing came from elsewhere, and deletes the copy.
  void copy_inside() {
    copy();
    for (auto const& [path, shown] : manifest(to)) {
      auto data = shown.find("data at 0");
      if (data != shown.end()) BOOST_REQUIRE(data->second == "inside");
    }
    fs::remove_all(to);
  }

  std::string differences() const { return test::differences(manifest(from), manifest(to)); }

  Media media;
  fs::path const from = media.path / "from";
  fs::path const outside = media.path / "outside";
  fs::path to;
  int copies = 0;
};

// As long as it lives the process may have so many descriptors.
class Descriptors {
 public:
  explicit Descriptors(rlim_t most) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit now = before_;
    now.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &now);
  }
  ~Descriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// Makes a directory below another one and opens it.
inline sys::Fd make_and_open(int directory, std::string const& name) {
  if (mkdirat(directory, name.c_str(), 0700) != 0) sys::fail("make directory", name);
  return sys::Fd(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

inline void make_file(int directory, std::string const& name, std::string const& text) {
  sys::Fd fd(openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    sys::fail("write", name);
  }
}

}  // namespace snapclone::test
