// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

#include <string>

#include <sys/types.h>

// Fills a tree with everything that a file system can hold. Throws std::runtime_error or
// sys::Error. `marks`: also with what overlayfs takes for marks of its own.
namespace snapclone::test {

namespace fs = boost::filesystem;

void plant_file(fs::path const& path, std::string const& text);
// Sets an extended attribute. On a tmpfs that has no user.* these are left out.
void mark(fs::path const& path, std::string const& name, std::string const& value);
// The value of an access control list for the owner, user 1000, the group, the mask and the others,
// as setfacl(1) writes it.
std::string acl(char owner, char user, char group, char mask, char others);
// Writes so many bytes into a file, which may be new.
void write_at(fs::path const& path, off_t at, std::size_t size);

void plant_sparse_files(fs::path const& root);
void plant_odd_names(fs::path const& root);
void plant_special_files(fs::path const& root, bool marks);
void plant_hard_links(fs::path const& root);  // of special files and `root`/large
void plant_attributes(fs::path const& root, bool marks);
// Every entry gets times of its own; some of them are before 1970.
void plant_times(fs::path const& root);

// All of these.
void plant_everything(fs::path const& root, bool marks = true);

}  // namespace snapclone::test
