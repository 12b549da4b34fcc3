// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace snapclone::test {

// While the object lives /dev is what an engine gives a plugin: without a node of any disk. For
// tests with mounts of their own.
class ContainersDev {
 public:
  ContainersDev();
  ~ContainersDev();
  ContainersDev(ContainersDev const&) = delete;
  ContainersDev& operator=(ContainersDev const&) = delete;
};

// The nodes of loop devices that a program has made in a container's /dev and left there, a line
// each.
std::string nodes_left();

// As when the next container gets a /dev of its own.
void remove_nodes();

}  // namespace snapclone::test
