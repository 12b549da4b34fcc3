// SPDX-License-Identifier: Apache-2.0
#include "volume/volumes.hpp"

#include "backend/memory.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"
#include "volume/refusal.hpp"

namespace snapclone::volume {
namespace {

constexpr std::size_t kLongestLineage = 20;
constexpr std::size_t kNamedClones = 20;

// The names of the volumes that the new one was made from, nearest first.
std::vector<std::string> lineage_from(Record const& source) {
  std::vector<std::string> lineage = {source.name.text()};
  lineage.insert(lineage.end(), source.lineage.begin(), source.lineage.end());
  if (lineage.size() > kLongestLineage) lineage.resize(kLongestLineage);
  return lineage;
}

// Newest first, as a person would type them.
std::string listed(MatchingClones const& clones) {
  std::vector<std::string> named;
  for (auto const& clone : clones.newest) {
    named.push_back(clone.volume.text() + "@" + clone.mount_id.short_text() + " (since " +
                    clone.since + ")");
  }
  std::string text = sys::join(named, ", ");
  return clones.number > clones.newest.size() ? text + " and older ones" : text;
}

}  // namespace

std::optional<CloneRecord> Volumes::source_clone(CreateRequest const& request) const {
  if (exists_already(request)) return std::nullopt;
  auto const& source = request.options.source;
  if (!source || !source->mount) return std::nullopt;
  std::string const& mount = *source->mount;
  VolumePtr volume = source_volume(request.options);
  std::string what = described(volume->record);
  if (volume->record.kind == Kind::volume) {
    throw Refusal(what + " has no clones, only snapshots have: leave out \"@" + mount +
                  "\" to take the volume itself");
  }
  MatchingClones found = catalogue_.matching_clones(source->name, mount, kNamedClones);
  if (found.number == 1 && !mount.empty()) return found.newest.front();
  MatchingClones all = catalogue_.matching_clones(source->name, "", kNamedClones);
  if (all.number == 0) throw Refusal(what + " has no live clones");
  if (mount.empty()) {
    throw Refusal("a mount ID, or its beginning, must follow the \"@\"; " + what +
                  " has these live clones: " + listed(all));
  }
  if (found.number == 0) {
    throw Refusal(what + " has no live clone whose mount ID begins with \"" + mount +
                  "\"; it has these: " + listed(all));
  }
  throw Refusal(what + " has more than one live clone whose mount ID begins with \"" + mount +
                "\": " + listed(found));
}

void Volumes::create(CreateRequest const& request, std::optional<CloneRecord> const& clone) {
  if (exists_already(request)) return;
  Options const& options = request.options;
  Origin origin;
  if (options.source) {
    origin = {source_volume(options), source_clone(request)};
    bool another = origin.clone && (!clone || origin.clone->id != clone->id);
    if (another)
      throw Refusal(listed({1, {*origin.clone}}) + " has only just been mounted: try again");
  }
  Record record{.name = request.name,
                .kind = options.snapshot ? Kind::snapshot : Kind::volume,
                .options = options.given,
                .target = options.target,
                .read_only = options.read_only,
                .memory = options.memory,
                .created = sys::now_rfc3339()};
  try {
    make(record, options, origin);
  } catch (...) {
    trash_.sweep();  // new layers, which nothing pins any more
    throw;
  }
}

bool Volumes::exists_already(CreateRequest const& request) const {
  VolumePtr existing = catalogue_.find(request.name);
  if (!existing) return false;
  if (!existing->unreadable.empty()) throw Refusal(existing->unreadable);
  if (existing->record.options == request.options.given) return true;
  throw Refusal(described(existing->record) +
                " exists already with other options: remove it first, or use another name");
}

VolumePtr Volumes::source_volume(Options const& options) const {
  VolumeName const& name = options.source->name;
  VolumePtr volume = catalogue_.find(name);
  if (!volume) {
    throw Refusal("snapclone has no volume \"" + name.text() + "\" to make a " +
                  (options.snapshot ? "snapshot" : "clone") +
                  " of: docker volume ls shows which are its own, and those of other drivers must "
                  "be copied into one first");
  }
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  return volume;
}

void Volumes::make(Record& record, Options const& options, Origin const& origin) {
  if (!origin.volume) {
    Freezer::Upper upper = freezer_.empty_upper();
    record.upper = upper.layer;
    return add(record);
  }
  record.lineage = lineage_from(origin.volume->record);
  if (!record.target) record.target = origin.volume->record.target;
  if (options.snapshot) {
    Pinned frozen = freezer_.freeze(origin, options.live, "make the snapshot");
    record.stack = frozen.stack;
    if (record.memory != 0) check_memory(record.stack);
    return add(record);
  }
  Freezer::Upper upper = freezer_.upper_from(origin, options.live, "make the clone");
  record.upper = upper.layer;
  record.stack = upper.below;
  add(record);
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

void Volumes::remove(VolumeName const& name) {
  VolumePtr volume = catalogue_.find(name);
  if (!volume) throw Refusal("there is no volume \"" + name.text() + "\"");
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  if (volume->record.kind == Kind::volume) {
    // Where use cannot be found out the volume goes, and its tree stays until the next boot.
    Usage usage = in_use_.release(volume->record);
    if (usage.use == backend::Use::used) {
      throw Refusal(described(volume->record) + " " + usage.sentence + ": " + usage.remedy +
                    ", then remove it");
    }
  }
  Catalogue::Removal removal(catalogue_, name);
  if (removal.live_clones() != 0) {
    throw Refusal(described(volume->record) + " has " +
                  sys::counted(removal.live_clones(), "live clone") +
                  ": stop the containers that use it first");
  }
  trash_.queue(removal.commit());
  trash_.sweep();
}

}  // namespace snapclone::volume
