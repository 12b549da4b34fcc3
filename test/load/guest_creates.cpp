// SPDX-License-Identifier: Apache-2.0
#include "load/guest.hpp"

namespace snapclone::test {
namespace {

bool has(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }

}  // namespace

void House::add(Wish& wish) {
  std::lock_guard lock(mutex_);
  wish.tag = static_cast<int>(wishes_.size()) + 1;
  wish.options["target"] = "/t/" + std::to_string(wish.tag);
  wishes_.push_back(wish);
}

Wish House::wish(int tag) const {
  std::lock_guard lock(mutex_);
  return wishes_.at(tag - 1);
}

std::size_t House::wishes() const {
  std::lock_guard lock(mutex_);
  return wishes_.size();
}

std::vector<std::pair<std::string, Event>> sayings(Ground const& ground, Wish const& wish) {
  std::vector<std::pair<std::string, Event>> all = {
      {wish.name, {.what = Saying::created, .tag = wish.tag, .snapshot = wish.snapshot}}};
  if (wish.source.empty()) return all;
  if (!wish.mount.empty()) {
    all.push_back({wish.source, {.what = Saying::alive, .id = wish.mount}});
  } else if (wish.live) {  // what is written meanwhile may be missing
    all.push_back({wish.source, {.what = Saying::listed}});
  } else {
    bool anytime = ground.backend == "btrfs";
    all.push_back({wish.source, {.what = anytime ? Saying::listed : Saying::freezable}});
    all.push_back({wish.source, {.what = Saying::holds, .tag = wish.tag}});
  }
  return all;
}

Wish Guest::some_wish() {
  Wish wish;
  wish.name = some_name();
  unsigned kind = below(10);
  wish.snapshot = kind >= 3 && kind < 8;
  if (kind >= 3) {
    wish.source = one_in(4) ? some_name() : seen_;
    if (one_in(4)) wish.mount = "shared0";
    Hold const* hold = some_hold();
    if (hold != nullptr && hold->snapshot) {
      wish.source = hold->name;
      wish.mount = hold->id;
    }
    wish.live = wish.mount.empty() && one_in(4);
    wish.options[wish.snapshot ? "snapshot-of" : "clone-of"] =
        wish.source + (wish.mount.empty() ? "" : "@" + wish.mount);
  }
  if (wish.live) wish.options["live"] = "true";
  if (wish.snapshot && one_in(8)) {
    wish.options["access"] = "ro";
  } else if (wish.snapshot && one_in(10)) {
    wish.options["medium"] = "memory";
    wish.options["size"] = "1m";
  }
  house_.add(wish);
  return wish;
}

void Guest::create() {
  Wish wish = some_wish();
  ++creates_;
  Answer answer = ask("Create", {{"Name", wish.name}, {"Opts", wish.options}});
  std::string error = answer.error();
  if (has(error, "exists already with other options")) {
    return note(wish.name, {.what = Saying::another_there, .tag = wish.tag});
  }
  if (!answer.ok()) return source_refused(wish, error);
  seen_ = wish.name;
  for (auto& [name, event] : sayings(house_.ground, wish)) note(name, std::move(event));
  for (auto const& hold : holds_) {
    if (hold.id != wish.mount || hold.tag <= 0) continue;
    std::string wrong = house_.ledger.shows(wish.tag, hold.files, begin_);
    expect(wrong.empty(), "made of a clone of " + hold.name + ": " + wrong);
  }
}

void Guest::source_refused(Wish const& wish, std::string const& error) {
  note(wish.name, {.what = Saying::absent});
  if (has(error, "snapclone has no volume")) return note(wish.source, {.what = Saying::absent});
  if (has(error, "is in use by")) return note(wish.source, {.what = Saying::in_use});
  if (has(error, "has no clones, only")) return note(wish.source, {.what = Saying::a_volume});
  // One that is being made counts in Status already.
  if (has(error, "has no live clone")) return note(wish.source, {.what = Saying::a_snapshot});
  expect(has(error, "has only just been mounted"), "Create " + wish.name + ": " + error);
}

// Of what it has mounted, which therefore cannot go: the same is granted, something else is not.
void Guest::create_again() {
  Hold const* hold = some_hold();
  if (hold == nullptr || hold->tag <= 0) return;
  Wish wish = house_.wish(hold->tag);
  bool same = !one_in(3);
  if (!same) wish.options["target"] = "/elsewhere";
  ++creates_;
  Answer answer = ask("Create", {{"Name", wish.name}, {"Opts", wish.options}});
  expect(same ? answer.ok() : has(answer.error(), "exists already with other options"),
         "Create " + wish.name + " again: " + answer.error());
  note(wish.name, {.what = Saying::present, .tag = wish.tag});
}

}  // namespace snapclone::test
