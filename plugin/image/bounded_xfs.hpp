// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/space_policy.hpp"
#include "sys/file.hpp"

#include <cstdint>

namespace snapclone::image {

namespace fs = boost::filesystem;

// The mounted xfs of an image in a sparse file: looks at its space and bounds it. Holds the image's
// file and the xfs's root open, and no lock. Every function but write_out() throws
// std::runtime_error, for a call that failed sys::Error. Safe from every thread, but only one at a
// time may bound it.
class BoundedXfs {
 public:
  BoundedXfs(fs::path const& image, fs::path const& mount_point);

  SpaceFigures look() const;

  // Keeps back what `figures` demand (reserve()), and returns what is offered then. It offers more
  // only in steps of 1 MiB or more. Up to 2 MiB that are offered it leaves so, if the host has room
  // for them below its margin: a pool frees as much for a start on a full disk (pool/pool.hpp),
  // which must find it.
  std::uint64_t bound(SpaceFigures const& figures) const;

  // Keeps everything back that is free and that will be freed.
  void offer_nothing() const;

  // Keeps back only what xfs does by itself (least_reserve()): for an image that has all its space.
  std::uint64_t unbound(SpaceFigures const& figures) const;

  // Writes out what is dirty in the xfs. Returns 0, or the errno of a write that was lost.
  int write_out() const;

  // Gives back to the host what is free in this part of the xfs. Returns false behind its end.
  bool trim(std::uint64_t begin, std::uint64_t size) const;

  fs::path const& image() const { return path_; }

 private:
  struct Inside {
    std::uint64_t block;  // its size; the others are numbers of blocks
    std::uint64_t offered;
    std::uint64_t reserved;
    std::uint64_t wanted;  // in the reserve
    std::uint64_t size;
  };
  Inside look_inside() const;
  std::uint64_t keep_back(std::uint64_t bytes, std::uint64_t left) const;
  int set_reserve(std::uint64_t blocks) const;

  fs::path const path_;
  sys::Fd image_;
  sys::Fd root_;
};

}  // namespace snapclone::image
