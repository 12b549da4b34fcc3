// SPDX-License-Identifier: Apache-2.0
#include "fault/sampling.hpp"

#include <algorithm>
#include <regex>
#include <utility>

namespace snapclone::test {
namespace {

constexpr std::size_t kShare = 8;      // of the kinds that another scenario has had: one of so many
constexpr std::size_t kLookShare = 6;  // of the kinds that only look

}  // namespace

std::string kind_of(std::string const& call) {
  static std::vector<std::pair<std::regex, std::string>> const rules = {
      {std::regex("/[^ ]*/mounted/[0-9]+"), ""},  // the directory of the attempt
      {std::regex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "BOOT"},
      {std::regex("/(fs|views/[^/]*)/.*?( /|$)"), "/$1/*$2"},  // in a tree
      {std::regex("([/-])[a-z2-7]{8}(?![a-z0-9])"), "$1*"},    // sys/host.cpp
      {std::regex("#[0-9a-f]+"), "#"},                         // overlayfs' own names
      {std::regex("[0-9]+"), "0"},
  };
  std::string kind = call;
  for (auto const& [what, with] : rules) kind = std::regex_replace(kind, what, with);
  return kind;
}

Sampling::Numbers Sampling::of(std::vector<Tracer::Seen> const& calls, Effect effect,
                               std::size_t salt) {
  std::vector<std::string> kinds;  // in the order of their first calls
  std::map<std::string, std::pair<std::size_t, std::size_t>> spans;
  for (std::size_t at = 1; at <= calls.size(); ++at) {
    if (calls[at - 1].effect != effect) continue;
    std::string kind = kind_of(calls[at - 1].text);
    if (spans.try_emplace(kind, at, at).second) kinds.push_back(kind);
    spans[kind].second = at;
  }
  Numbers chosen;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    auto [first, last] = spans[kinds[i]];
    bool is_new = known_.insert(kinds[i]).second;
    std::size_t turn = salt + i;
    bool wanted =
        effect == Effect::look ? is_new && turn % kLookShare == 0 : is_new || turn % kShare == 0;
    if (wanted) chosen.push_back(turn / kShare % 2 == 0 ? first : last);
  }
  if (chosen.empty() && !kinds.empty()) chosen.push_back(spans[kinds[salt % kinds.size()]].first);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::size_t Sampling::error(Tracer::Seen const& call) {
  std::string name = call.text.substr(0, call.text.find(' '));
  return errors_[name]++ % call.errors.size();
}

}  // namespace snapclone::test
