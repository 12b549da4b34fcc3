// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/tracer.hpp"

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace snapclone::test {

// A call's description without what differs from run to run or says no more: "rename
// /pool/layers/* /pool/trash/layer-*".
std::string kind_of(std::string const& call);

// Which calls the short form strikes on one ground, as many as it has time for: of kinds, as most
// calls repeat what others do. Of each kind, in the first scenario that has it, now the first call
// and now the last, and in later scenarios those of a share of the kinds, another share in each. Of
// the calls that only look it is a share of the kinds as well.
class Sampling {
 public:
  using Numbers = std::vector<std::size_t>;

  // The numbers of some of the calls with this effect, from 1. At least one, if there is one.
  Numbers of(std::vector<Tracer::Seen> const& calls, Effect effect, std::size_t salt);

  // Which of its errors a call fails with, from 0: one after the other for each system call.
  std::size_t error(Tracer::Seen const& call);

 private:
  std::set<std::string> known_;
  std::map<std::string, std::size_t> errors_;  // by system call: how many there were
};

}  // namespace snapclone::test
