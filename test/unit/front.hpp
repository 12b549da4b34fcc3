// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/dispatch.hpp"
#include "kit/world.hpp"

namespace snapclone::test {

// What the plugin has above its verbs, without a socket.
struct Front {
  Front(Process& process, volume::Turns& turns)
      : usage(process.pool, process.backend, process.catalogue, process.mounts),
        dispatch({process.catalogue, process.mounts, process.volumes, turns, usage, metrics,
                  "overlay", "it is the best that works there"}) {}
  volume::DiskUseSampler usage;
  api::Metrics metrics;
  api::Dispatch dispatch;
};

}  // namespace snapclone::test
