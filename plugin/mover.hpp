// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config.hpp"

#include <functional>

namespace snapclone {

// Moves all volumes of a pool from its directory into an image, or back, as config.move_to says,
// while no plugin serves the pool. Tells its progress, and returns when it is done.
//
// It works in a mount namespace of its own. There the pool's directory lies open. Beside it a tmpfs
// is mounted on DIR.moving, and the image on DIR.moving/image. However the process ends, no mount
// and no loop device stays.
//
// While volumes are on both sides no plugin starts (place.hpp); the same command goes on, the
// opposite one brings back what was moved. At the end of --move-to image the directory is an empty
// one that only serves to mount the image on (PoolFormat::in_image), and at the end of --move-to
// directory there is no image.
//
// `give_up_privileges` is called when all that needs more is mounted, before anything is read that
// a container wrote and before there is a second thread. The process must have a single thread.
// Throws std::runtime_error with what is in the way and the way out; then no volume was moved, or
// some were and the same command goes on.
void move_volumes(Config const& config, std::function<void()> const& give_up_privileges);

}  // namespace snapclone
