// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace snapclone::test {

// Where a pool lies, and what makes its trees there.
struct Ground {
  std::string name;        // of the test suite
  std::string filesystem;  // of the pool: as mount(8) calls it, or "overlay"
  std::string backend;
  bool forced = true;     // the backend is asked for; otherwise the plugin must choose it itself
  bool in_image = false;  // the file system is that of an image, which the plugin made on an ext4

  bool layered() const { return backend == "overlay"; }
};

}  // namespace snapclone::test
