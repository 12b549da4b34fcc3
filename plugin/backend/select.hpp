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

// The backend for this pool, proven to work there: the one that made what is in it; in an empty
// pool the first that works of btrfs, overlay and copy; or the one that is forced, unless it is "".
// The pool remembers it. Throws std::runtime_error with the reason if there is none, or if the
// forced one cannot be.
//
// `scratch` is a directory apart from the pool, `trial` an empty one to mount on.
Selection select_backend(Pool& pool, fs::path const& scratch, fs::path const& trial,
                         std::string const& forced);

}  // namespace snapclone::backend
