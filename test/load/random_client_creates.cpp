// SPDX-License-Identifier: Apache-2.0
#include "load/random_client.hpp"

namespace snapclone::test {
namespace {

bool has(std::string const& text, char const* part) { return text.find(part) != std::string::npos; }

}  // namespace

void SharedState::add(CreateSpec& spec) {
  std::lock_guard lock(mutex_);
  spec.tag = static_cast<int>(specs_.size()) + 1;
  spec.options["target"] = "/t/" + std::to_string(spec.tag);
  specs_.push_back(spec);
}

CreateSpec SharedState::spec(int tag) const {
  std::lock_guard lock(mutex_);
  return specs_.at(tag - 1);
}

std::vector<std::pair<std::string, Observation>> observations_of(Ground const& ground,
                                                                 CreateSpec const& spec) {
  std::vector<std::pair<std::string, Observation>> all = {
      {spec.name, {.kind = Observation::created, .tag = spec.tag, .snapshot = spec.snapshot}}};
  if (spec.source.empty()) return all;
  if (!spec.mount.empty()) {
    all.push_back({spec.source, {.kind = Observation::alive, .id = spec.mount}});
  } else if (spec.live) {  // what is written meanwhile may be missing
    all.push_back({spec.source, {.kind = Observation::listed}});
  } else {
    bool anytime = ground.backend == "btrfs";
    all.push_back({spec.source, {.kind = anytime ? Observation::listed : Observation::freezable}});
    all.push_back({spec.source, {.kind = Observation::holds, .tag = spec.tag}});
  }
  return all;
}

CreateSpec RandomClient::some_spec() {
  CreateSpec spec;
  spec.name = some_name();
  unsigned kind = below(10);
  spec.snapshot = kind >= 3 && kind < 8;
  if (kind >= 3) {
    spec.source = one_in(4) ? some_name() : seen_;
    if (one_in(4)) spec.mount = "shared0";
    Mounted const* mounted = some_mounted();
    if (mounted != nullptr && mounted->snapshot) {
      spec.source = mounted->name;
      spec.mount = mounted->id;
    }
    spec.live = spec.mount.empty() && one_in(4);
    spec.options[spec.snapshot ? "snapshot-of" : "clone-of"] =
        spec.source + (spec.mount.empty() ? "" : "@" + spec.mount);
  }
  if (spec.live) spec.options["live"] = "true";
  if (spec.snapshot && one_in(8)) {
    spec.options["access"] = "ro";
  } else if (spec.snapshot && one_in(10)) {
    spec.options["medium"] = "memory";
    spec.options["size"] = "1m";
  }
  shared_.add(spec);
  return spec;
}

void RandomClient::create() {
  CreateSpec spec = some_spec();
  ++creates_;
  Answer answer = ask("Create", {{"Name", spec.name}, {"Opts", spec.options}});
  std::string error = answer.error();
  if (has(error, "exists already with other options")) {
    return note(spec.name, {.kind = Observation::another_there, .tag = spec.tag});
  }
  if (!answer.ok()) return source_refused(spec, error);
  seen_ = spec.name;
  for (auto& [name, observation] : observations_of(shared_.ground, spec))
    note(name, std::move(observation));
  for (auto const& mounted : mounted_) {
    if (mounted.id != spec.mount || mounted.tag <= 0) continue;
    std::string wrong = shared_.contents.shows(spec.tag, mounted.files, begin_);
    expect(wrong.empty(), "made of a clone of " + mounted.name + ": " + wrong);
  }
}

void RandomClient::source_refused(CreateSpec const& spec, std::string const& error) {
  note(spec.name, {.kind = Observation::absent});
  if (has(error, "snapclone has no volume"))
    return note(spec.source, {.kind = Observation::absent});
  if (has(error, "is in use by")) return note(spec.source, {.kind = Observation::in_use});
  if (has(error, "has no clones, only")) return note(spec.source, {.kind = Observation::a_volume});
  // One that is being made counts in Status already.
  if (has(error, "has no live clone")) return note(spec.source, {.kind = Observation::a_snapshot});
  expect(has(error, "has only just been mounted"), "Create " + spec.name + ": " + error);
}

// Of what it has mounted, which therefore cannot go: the same is granted, something else is not.
void RandomClient::create_again() {
  Mounted const* mounted = some_mounted();
  if (mounted == nullptr || mounted->tag <= 0) return;
  CreateSpec spec = shared_.spec(mounted->tag);
  bool same = !one_in(3);
  if (!same) spec.options["target"] = "/elsewhere";
  ++creates_;
  Answer answer = ask("Create", {{"Name", spec.name}, {"Opts", spec.options}});
  expect(same ? answer.ok() : has(answer.error(), "exists already with other options"),
         "Create " + spec.name + " again: " + answer.error());
  note(spec.name, {.kind = Observation::present, .tag = spec.tag});
}

}  // namespace snapclone::test
