// SPDX-License-Identifier: Apache-2.0
#include "power/cuts.hpp"

#include <algorithm>
#include <random>

namespace snapclone::test {
namespace {

using Random = std::minstd_rand;

unsigned below(Random& random, std::size_t limit) {
  return static_cast<unsigned>(random() / 7 % limit);
}

// A write may be torn apart between the blocks of the disk.
void apply_some(Change const& change, Random& random, unsigned percent, Image& image) {
  auto chosen = [&] { return below(random, 100) < percent; };
  if (change.what != Change::What::write) {
    if (chosen()) change.apply_to(image);
    return;
  }
  std::string_view bytes = change.bytes;
  for (std::uint64_t at = change.at; !bytes.empty();) {
    std::uint64_t part = std::min<std::uint64_t>(Image::kBlock - at % Image::kBlock, bytes.size());
    if (chosen()) image.write(at, bytes.substr(0, part));
    at += part;
    bytes.remove_prefix(part);
  }
}

}  // namespace

bool Interval::eventful() const {
  auto here = [this](Moment moment) { return from_ <= moment && moment <= to_; };
  return std::any_of(
      recording_.lifetimes.begin(), recording_.lifetimes.end(), [&](Lifetime const& lifetime) {
        return here(lifetime.created) || here(lifetime.remove_asked) || here(lifetime.removed);
      });
}

std::string Interval::name() const {
  return "after " + std::to_string(from_) + " changes, of which the last is flushed, and before " +
         std::to_string(to_ + 1);
}

Cut Interval::all_lost() const {
  return {name() + ": what was not flushed is lost", flushed_, from_, to_};
}

Cut Interval::all_kept() const {
  Image image = flushed_;
  for (Moment i = from_; i < to_; ++i) recording_.changes[i].apply_to(image);
  return {name() + ": everything is there", std::move(image), to_, to_};
}

Cut Interval::torn(unsigned seed) const {
  Random random(seed * 1000003U + static_cast<unsigned>(from_));
  random.discard(10);
  Moment end = from_ + below(random, to_ - from_ + 1);
  unsigned percent = 10 + below(random, 81);
  Image image = flushed_;
  for (Moment i = from_; i < end; ++i) {
    apply_some(recording_.changes[i], random, percent, image);
  }
  return {name() + ": " + std::to_string(percent) + " % of what came up to " + std::to_string(end) +
              " is there, seed " + std::to_string(seed),
          std::move(image), end, to_};
}

std::vector<Interval> intervals(Recording const& recording) {
  std::vector<Interval> all;
  Image image = recording.start;
  Moment from = 0;
  for (Moment i = 0; i <= recording.changes.size(); ++i) {
    bool last = i == recording.changes.size();
    if (!last && recording.changes[i].what != Change::What::flush) continue;
    if (i >= recording.begin) all.emplace_back(recording, image, from, i);
    for (; from <= i && !last; ++from) recording.changes[from].apply_to(image);
  }
  return all;
}

Cut once_more(Recording const& recording, Cut const& cut, unsigned seed) {
  Recording recovery{recording.ground, cut.image, {}, {}, 0};
  {
    Machine machine(recording.ground, cut.image);
    recovery.changes = machine.disk.changes();
  }
  auto all = intervals(recovery);
  Random random(seed);
  random.discard(10);
  Cut second = all[below(random, all.size())].torn(seed);
  return {cut.what + "; and once more, " + second.what, second.image, cut.from, cut.to};
}

}  // namespace snapclone::test
