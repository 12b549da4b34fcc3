// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <string>

namespace snapclone::bench {

namespace fs = boost::filesystem;

// What a clone costs the kernel, and nothing else: two directories and an overlay mount, with the
// options that the plugin uses. This is the floor that a Mount is compared with. It works in
// `home`, on the disk of the pool; its mount point lies on a tmpfs, as the plugin's do.
class BareClone {
 public:
  BareClone(fs::path home, fs::path const& lower);
  ~BareClone();
  BareClone(BareClone const&) = delete;
  BareClone& operator=(BareClone const&) = delete;

  void mount();    // makes the directories as well
  void unmount();  // and nothing else
  void clean_up();

 private:
  fs::path const home_;
  fs::path const upper_;
  fs::path const work_;
  fs::path const target_;
  std::string const data_;
};

}  // namespace snapclone::bench
