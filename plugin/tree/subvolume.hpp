// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>
#include <vector>

// btrfs subvolumes. A container may make them, without any privilege, wherever it may write on
// btrfs, so there may be some among its directories. Everything throws sys::Error or
// std::runtime_error.
namespace snapclone::tree {

namespace fs = boost::filesystem;

void make_subvolume(fs::path const& path);
void snapshot_subvolume(fs::path const& from, fs::path const& to, bool read_only);
void make_read_only(fs::path const& subvolume);

// The paths of subvolumes inside a subvolume, at any depth, relative to it; at most `most`.
std::vector<std::string> subvolumes_in(fs::path const& subvolume, std::size_t most);

// Deletes a subvolume with all subvolumes inside it. Returns false if `name` is no subvolume, on
// any file system. Also returns false if it cannot be deleted as a whole, because one inside it is
// read-only or lies deeper than a path can be long. Then it is writable, and can be emptied like a
// directory. Follows no link.
bool remove_subvolume(int parent, std::string const& name);

// Throws if everyone who may write somewhere on this btrfs can delete all its subvolumes, even
// those out of reach: with the mount option user_subvol_rm_allowed, BTRFS_IOC_SNAP_DESTROY_V2 takes
// the number of any of them. Tries it in `directory`.
void refuse_deletable_subvolumes(fs::path const& directory);

}  // namespace snapclone::tree
