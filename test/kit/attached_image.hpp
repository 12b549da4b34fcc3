// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

// An image that the plugin made, seen from outside.
namespace snapclone::test {

namespace fs = boost::filesystem;

// Unmounts the image of the pool, if it has one that is mounted, and waits until no loop device has
// it. Throws if one keeps it.
void detach_image(fs::path const& pool);

// Whether xfs_repair finds nothing to repair. The image must not be attached.
bool is_clean_xfs(fs::path const& image);

}  // namespace snapclone::test
