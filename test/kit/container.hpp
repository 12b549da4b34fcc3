// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <functional>
#include <string>

// What an engine makes for a container, as far as device rules are concerned. For a process without
// a second thread.
namespace snapclone::test {

namespace fs = boost::filesystem;

// Of control groups.
enum class Version { v1, v2 };

// A tree of control groups, mounted while the object lives, and a group in it for a container.
// Throws if there is no such tree here that can have device rules.
class ContainerGroup {
 public:
  explicit ContainerGroup(Version version);
  ~ContainerGroup();
  ContainerGroup(ContainerGroup const&) = delete;
  ContainerGroup& operator=(ContainerGroup const&) = delete;

  // Moves the calling process.
  void enter() const;
  void enter_root() const;

  // Whether there are groups below the container's.
  bool has_groups() const;
  // Whether the tree is all there is, and not only what a namespace shows of it.
  bool is_whole() const;

 private:
  void unmount() const;

  fs::path const tree_;
  fs::path const group_;
};

using Work = std::function<std::string()>;

// Works in a child process that is the first one of a container and in the group, if there is one.
// It has the machine's files, and mounts and processes of its own. `neighbour` is another process
// of the group and works after it. Returns what both return, or the sentences that they throw.
std::string in_a_container(ContainerGroup const* group, Work const& work,
                           Work const& neighbour = {});

}  // namespace snapclone::test
