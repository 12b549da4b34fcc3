// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.hpp"

#include <memory>
#include <string>

namespace snapclone::backend {

struct Selection {
  std::unique_ptr<Backend> backend;
  std::string why;  // one line for the log
};

// Selects the backend of a pool, and tries it there: the one that made the pool's trees or, in an
// empty pool, the first that works of btrfs, overlay and copy. Only `forced` is tried, unless it is
// "". The pool remembers the backend. Throws std::runtime_error with the reason if none works.
//
// `probes` is a directory outside the pool, `mount_point` an empty one.
Selection select_backend(Pool& pool, fs::path const& probes, fs::path const& mount_point,
                         std::string const& forced);

}  // namespace snapclone::backend
