// SPDX-License-Identifier: Apache-2.0
#include "volume/volumes.hpp"

#include "backend/memory.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"

#include <algorithm>

namespace snapclone::volume {
namespace {

constexpr std::size_t kLongestLineage = 20;
constexpr std::size_t kNamedClones = 20;
constexpr std::size_t kShortId = 12;

std::string quoted(std::string const& name) { return "\"" + name + "\""; }

// What the volume is made of, nearest first.
std::vector<std::string> lineage_from(Record const& source) {
  std::vector<std::string> lineage = {source.name};
  lineage.insert(lineage.end(), source.lineage.begin(), source.lineage.end());
  if (lineage.size() > kLongestLineage) lineage.resize(kLongestLineage);
  return lineage;
}

// Newest first, as a person would type them.
std::string listed(std::vector<CloneRecord> clones) {
  std::sort(clones.begin(), clones.end(),
            [](auto const& a, auto const& b) { return a.since > b.since; });
  std::string text;
  for (std::size_t i = 0; i < clones.size() && i < kNamedClones; ++i) {
    text += (text.empty() ? "" : ", ") + clones[i].volume + "@" +
            clones[i].mount_id.substr(0, kShortId) + " (since " + clones[i].since + ")";
  }
  if (clones.size() > kNamedClones) text += " and older ones";
  return text;
}

}  // namespace

std::vector<std::string> Volumes::turns_of_create(std::string const& name,
                                                  RawOptions const& raw) const {
  std::vector<std::string> turns = {name};
  std::optional<Source> source;
  try {
    source = parse_options(raw).source;
  } catch (Refusal const&) {
    return turns;  // create() will say it
  }
  if (!source) return turns;
  turns.push_back(source->name);
  if (!source->mount) return turns;
  for (auto const& clone : live_clones(source->name, *source->mount)) {
    turns.push_back(mounts_.turn_of(clone.volume, clone.mount_id));
  }
  return turns;
}

void Volumes::create(std::string const& name, RawOptions const& raw,
                     std::vector<std::string> const& turns) {
  check_name(name);
  Options options = parse_options(raw);
  if (VolumePtr existing = catalogue_.find(name)) {
    if (!existing->unreadable.empty()) throw Refusal(existing->unreadable);
    if (existing->record.options == raw) return;
    throw Refusal(described(existing->record) +
                  " exists already with other options: remove it first, or use another name");
  }

  Record record;
  record.name = name;
  record.kind = options.snapshot ? Kind::snapshot : Kind::volume;
  record.options = raw;
  record.target = options.target;
  record.read_only = options.read_only;
  record.memory = options.memory;
  record.created = sys::now_rfc3339();
  try {
    make(record, options, turns);
  } catch (...) {
    trash_.sweep();  // new layers, which nothing pins any more
    throw;
  }
}

void Volumes::make(Record& record, Options const& options, std::vector<std::string> const& turns) {
  if (!options.source) {
    Freezer::Upper upper = freezer_.empty_upper();
    record.upper = upper.layer;
    return add(record);
  }
  Origin from = origin(options, turns);
  record.lineage = lineage_from(from.volume->record);
  if (!record.target) record.target = from.volume->record.target;
  if (options.snapshot) {
    Pinned frozen = freezer_.freeze(from, options.live, "make the snapshot");
    record.stack = frozen.stack;
    if (record.memory != 0) check_memory(record.stack);
    return add(record);
  }
  Freezer::Upper upper = freezer_.upper_from(from, options.live, "make the clone");
  record.upper = upper.layer;
  record.stack = upper.below;
  add(record);
}

Origin Volumes::origin(Options const& options, std::vector<std::string> const& turns) const {
  Source const& source = *options.source;
  std::string what = options.snapshot ? "snapshot" : "clone";
  VolumePtr volume = catalogue_.find(source.name);
  if (!volume) {
    throw Refusal("snapclone has no volume " + quoted(source.name) + " to make a " + what +
                  " of: docker volume ls shows which are its own, and those of other drivers must "
                  "be copied into one first");
  }
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  if (!source.mount) return {volume, std::nullopt};
  CloneRecord clone = live_clone(*volume, *source.mount);
  std::string turn = mounts_.turn_of(clone.volume, clone.mount_id);
  if (std::find(turns.begin(), turns.end(), turn) == turns.end()) {
    throw Refusal(listed({clone}) + " has only just been mounted: try again");
  }
  return {volume, clone};
}

CloneRecord Volumes::live_clone(Volume const& snapshot, std::string const& mount) const {
  Record const& record = snapshot.record;
  if (record.kind == Kind::volume) {
    throw Refusal(described(record) + " has no clones, only snapshots have: leave out \"@" + mount +
                  "\" to take the volume itself");
  }
  auto found = live_clones(record.name, mount);
  if (found.size() == 1 && !mount.empty()) return found.front();
  auto all = live_clones(record.name, "");
  if (all.empty()) throw Refusal(described(record) + " has no live clones");
  if (mount.empty()) {
    throw Refusal("a mount ID, or its beginning, must follow the \"@\"; " + described(record) +
                  " has these live clones: " + listed(all));
  }
  if (found.empty()) {
    throw Refusal(described(record) + " has no live clone whose mount ID begins with \"" + mount +
                  "\"; it has these: " + listed(all));
  }
  throw Refusal(described(record) + " has more than one live clone whose mount ID begins with \"" +
                mount + "\": " + listed(found));
}

std::vector<CloneRecord> Volumes::live_clones(std::string const& snapshot,
                                              std::string const& mount) const {
  auto clones = catalogue_.clones_of(snapshot, mount);
  std::erase_if(clones, [](CloneRecord const& clone) { return clone.count == 0; });
  return clones;
}

void Volumes::check_memory(Stack const& stack) const {
  try {
    backend::self_test_memory(pool_, points_.probes(), stack);
  } catch (std::exception const& error) {
    throw Refusal(std::string("medium=memory does not work on this pool: ") + error.what());
  }
}

void Volumes::add(Record const& record) {
  fs::path staged = pool_.staging() / ("volume-" + sys::random_id());
  try {
    catalogue_.add(record, staged);
  } catch (...) {
    trash_.drop(staged, TrashKind::other);
    throw;
  }
}

void Volumes::remove(std::string const& name) {
  check_name(name);
  VolumePtr volume = catalogue_.find(name);
  if (!volume) throw Refusal("there is no volume " + quoted(name));
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  if (volume->record.kind == Kind::volume) {
    // Where use cannot be found out the volume goes, and its tree stays until the next boot.
    Mounts::Usage usage = mounts_.usage(volume->record);
    if (usage.use == backend::Use::used) {
      throw Refusal(described(volume->record) + " " + usage.sentence + ": " + usage.remedy +
                    ", then remove it");
    }
  }
  if (std::size_t live = catalogue_.begin_removal(name)) {
    throw Refusal(described(volume->record) + " has " + sys::counted(live, "live clone") +
                  ": stop the containers that use it first");
  }
  fs::path trashed;
  try {
    trashed = catalogue_.remove(name);
  } catch (...) {
    catalogue_.cancel_removal(name);
    throw;
  }
  mounts_.forget(name);
  trash_.queue(trashed);
  trash_.sweep();
}

}  // namespace snapclone::volume
