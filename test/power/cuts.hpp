// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "power/history.hpp"

#include <string>
#include <vector>

namespace snapclone::test {

// The disk after a power cut. It looks the same for every moment from `from` up to and including
// `to` at which that can have been: the disk had completed the flush before `from`, and not the one
// after `to`.
struct Cut {
  std::string what;
  Image image;
  Moment from;
  Moment to;
};

// The time between two flushes that the disk completed.
class Interval {
 public:
  Interval(Recording const& recording, Image flushed, Moment from, Moment to)
      : recording_(recording), flushed_(std::move(flushed)), from_(from), to_(to) {}

  // Whether something was acknowledged, or the removal of something was asked for.
  bool eventful() const;

  Cut all_lost() const;
  Cut all_kept() const;
  // Some of what was not flushed is there, in blocks of 4 KiB.
  Cut torn(unsigned seed) const;

 private:
  std::string name() const;

  Recording const& recording_;
  Image const flushed_;
  Moment const from_;
  Moment const to_;
};

std::vector<Interval> intervals(Recording const& recording);

// The power is cut once more, at a random moment, while the machine that boots after the cut
// recovers.
Cut once_more(Recording const& recording, Cut const& cut, unsigned seed);

// Boots a machine after the power cut, and says what is not as it was promised; "" if all is well.
std::string broken_promises(Recording const& recording, Cut const& cut);

}  // namespace snapclone::test
