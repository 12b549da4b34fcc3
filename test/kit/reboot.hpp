// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/filesystem/path.hpp>

namespace snapclone::test {

namespace fs = boost::filesystem;

// Unmounts everything below the mount points, and these, as the end of an engine does.
void unmount_all(fs::path const& mounts);

// Makes the pool, which no process serves, look as if the last process had run in an earlier boot:
// trees that were held until a boot are free. Everything must be unmounted.
void reboot(fs::path const& pool);

}  // namespace snapclone::test
