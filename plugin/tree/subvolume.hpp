// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

#include <string>
#include <vector>

// btrfs subvolumes. A container needs no privilege to make one wherever it may write on btrfs, so
// any directory that it leaves behind may be one. Every function throws sys::Error or
// std::runtime_error.
namespace snapclone::tree {

namespace fs = boost::filesystem;

void make_subvolume(fs::path const& path);
void snapshot_subvolume(fs::path const& from, fs::path const& to, bool read_only);
void make_read_only(fs::path const& subvolume);

// Paths of the subvolumes inside one, at any depth, relative to it; at most `most`.
std::vector<std::string> subvolumes_in(fs::path const& subvolume, std::size_t most);

// Deletes a subvolume with all subvolumes inside. False if the entry is no subvolume. Also false if
// it cannot be deleted as a whole, because one inside is read-only or lies deeper than a path can
// be long: then it is writable and can be emptied like a directory. Follows no link. Works on every
// file system.
bool remove_subvolume(int parent, std::string const& name);

// Throws if a user who may write anywhere on this btrfs can delete every subvolume of it, even one
// out of reach: with the mount option user_subvol_rm_allowed, BTRFS_IOC_SNAP_DESTROY_V2 takes a
// subvolume's number. Tries it out in `directory`.
void refuse_deletable_subvolumes(fs::path const& directory);

}  // namespace snapclone::tree
