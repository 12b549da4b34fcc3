// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>
#include <vector>

// btrfs subvolumes. A container needs no privilege to make them wherever it may write on btrfs, so
// that they stand among directories in what it leaves behind. Everything throws sys::Error or
// std::runtime_error.
namespace snapclone::tree {

namespace fs = boost::filesystem;

void make_subvolume(fs::path const& path);
void snapshot_subvolume(fs::path const& from, fs::path const& to, bool read_only);
void make_read_only(fs::path const& subvolume);

// Those inside a subvolume, at any depth, relative to it; at most `most`.
std::vector<std::string> subvolumes_in(fs::path const& subvolume, std::size_t most);

// Deletes a subvolume with all that are inside. False if it is none, or cannot be deleted as a
// whole, because a read-only one is in the way or one lies deeper than a path can be long: then it
// is writable, and can be emptied like a directory. Does not follow a link. Any file system.
bool remove_subvolume(int parent, std::string const& name);

// Throws if whoever may write somewhere on this btrfs can delete any subvolume of it, also those
// that it cannot reach: with the mount option user_subvol_rm_allowed, BTRFS_IOC_SNAP_DESTROY_V2
// takes the number of one. Tries it out in `directory`.
void refuse_deletable_subvolumes(fs::path const& directory);

}  // namespace snapclone::tree
