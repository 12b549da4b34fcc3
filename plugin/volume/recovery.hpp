// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "volume/catalogue.hpp"
#include "volume/mounts.hpp"
#include "volume/trash.hpp"

namespace snapclone::volume {

// Brings catalogue, mounts and trash in line with what the last process left, wherever it stopped.
// Runs once, before the first verb. Deletes nothing: it only moves things to trash/.
//
//  - Another boot's clones and mount counts are dead.
//  - A clone of this boot that is mounted here and was counted is in use: the process crashed, and
//    the engine's counts go on. Every other clone is dropped (a container in another mount
//    namespace may hold it yet: the trash asks).
//  - A volume that is mounted here and has no count is unmounted.
//
// A damaged record is logged and kept, and nothing it might name is swept.
void recover(Pool const& pool, MountPoints const& points, Catalogue& catalogue, Mounts& mounts,
             Trash& trash);

}  // namespace snapclone::volume
