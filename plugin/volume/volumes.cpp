// SPDX-License-Identifier: Apache-2.0
#include "volume/volumes.hpp"

#include "clone/copy_tree.hpp"
#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"

namespace snapclone::volume {
namespace {

// The kernel takes 500, but looking a name up for the first time gets slower with each.
constexpr std::size_t kMostLayers = 50;
constexpr std::size_t kLongestLineage = 20;

std::string quoted(std::string const& name) { return "\"" + name + "\""; }

// What the volume is made of, nearest first.
std::vector<std::string> lineage_from(Record const& source) {
  std::vector<std::string> lineage = {source.name};
  lineage.insert(lineage.end(), source.lineage.begin(), source.lineage.end());
  if (lineage.size() > kLongestLineage) lineage.resize(kLongestLineage);
  return lineage;
}

}  // namespace

std::vector<std::string> turns_of_create(std::string const& name, RawOptions const& options) {
  std::vector<std::string> names = {name};
  for (auto const* key : {"snapshot-of", "clone-of"}) {
    auto source = options.find(key);
    if (source != options.end()) names.push_back(source->second);
  }
  return names;
}

std::vector<std::string> turns_of_remove(std::string const& name) { return {name}; }

void Volumes::create(std::string const& name, RawOptions const& raw) {
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
  record.kind = options.snapshot_of ? Kind::snapshot : Kind::volume;
  record.options = raw;
  record.target = options.target;
  record.read_only = options.read_only;
  record.created = sys::now_rfc3339();
  Catalogue::Pin below;
  if (options.snapshot_of || options.clone_of) {
    std::string const& source_name = options.snapshot_of ? *options.snapshot_of : *options.clone_of;
    std::string purpose = options.snapshot_of ? "make the snapshot" : "make the clone";
    VolumePtr from = source(source_name, options.snapshot_of ? "snapshot" : "clone");
    record.stack = freeze(*from, purpose);
    record.lineage = lineage_from(from->record);
    if (!record.target) record.target = from->record.target;
    below = {catalogue_, record.stack};
  }

  if (record.kind == Kind::snapshot) {
    add(record);
    return;
  }
  record.upper = sys::random_id();
  Catalogue::Pin upper(catalogue_, {record.upper});
  make_layer(record.upper, record.stack);
  try {
    sys::sync_dir(pool_.tree(record.upper));
    sys::sync_dir(pool_.layer(record.upper));
    sys::sync_dir(pool_.layers());
    add(record);
  } catch (...) {
    upper = {};  // not needed any more: let the layer be swept
    trash_.sweep();
    throw;
  }
}

VolumePtr Volumes::source(std::string const& name, std::string const& what) const {
  VolumePtr volume = catalogue_.find(name);
  if (!volume) {
    throw Refusal("snapclone has no volume " + quoted(name) + " to make a " + what + " of");
  }
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  return volume;
}

// The layers that hold the volume as it is now, sealed and durable.
Stack Volumes::freeze(Volume const& volume, std::string const& purpose) {
  Record record = volume.record;
  if (record.kind == Kind::snapshot) return record.stack;
  mounts_.make_idle(record, purpose);
  if (backend_.unchanged(pool_.layer(record.upper), record.stack)) {
    sys::sync_dir(pool_.volume(record.name));  // an earlier sealing may have failed right there
  } else {
    seal(record);
  }
  return record.stack;
}

// Gives the volume a new upper and makes the old one part of its stack; a stack that gets too high
// becomes one layer, for the snapshot and for the volume to go on with. That is durable before
// anything else names the old upper, and the volume shows the same at every moment.
void Volumes::seal(Record& record) {
  std::string old_upper = record.upper;
  record.stack.insert(record.stack.begin(), old_upper);
  Catalogue::Pin flat;
  if (record.stack.size() > kMostLayers) {
    std::string id = sys::random_id();
    flat = {catalogue_, {id}};
    flatten(record.stack, record.name, id);
    record.stack = {id};
  }
  record.upper = sys::random_id();
  Catalogue::Pin upper(catalogue_, {record.upper});
  make_layer(record.upper, record.stack);
  try {
    sys::sync_filesystem(pool_.root());
    catalogue_.replace(record);
  } catch (...) {
    upper = {};  // not needed any more: let the layers be swept
    flat = {};
    trash_.sweep();
    throw;
  }
  throw_away(pool_.layer(old_upper) / "work");
  trash_.sweep();  // a flattened stack may have been nobody else's, the old upper included
}

// Copies what the stack shows into one new layer. The stack of whatever exists stays as it is.
void Volumes::flatten(Stack const& stack, std::string const& name, std::string const& id) {
  fs::path staged = pool_.staging() / ("layer-" + id);
  fs::path view = points_.view(name);
  sys::make_dir(staged);
  try {
    sys::make_dir(staged / "fs");
    sys::ensure_dir(view);
    backend_.view(stack, view);
    clone::CopyOptions options;
    options.shown = true;
    clone::copy_tree(view, staged / "fs", options);
    clear_mount_point(view);
    sys::rename_new(staged, pool_.layer(id));
  } catch (...) {
    clear_mount_point(view);
    throw_away(staged);
    throw;
  }
}

// A layer appears whole; the caller has pinned its id.
void Volumes::make_layer(std::string const& id, Stack const& below) {
  fs::path staged = pool_.staging() / ("layer-" + id);
  sys::make_dir(staged);
  try {
    backend_.make_tree(staged, below);
    sys::rename_new(staged, pool_.layer(id));
  } catch (...) {
    throw_away(staged);
    throw;
  }
}

void Volumes::add(Record const& record) {
  fs::path staged = pool_.staging() / ("volume-" + sys::random_id());
  try {
    catalogue_.add(record, staged);
  } catch (...) {
    throw_away(staged);
    throw;
  }
}

// Leftovers that nothing needs: if they cannot be moved now, the next start does it.
void Volumes::throw_away(fs::path const& tree) {
  try {
    trash_.put(tree, TrashKind::other);
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
  }
}

void Volumes::remove(std::string const& name) {
  check_name(name);
  VolumePtr volume = catalogue_.find(name);
  if (!volume) throw Refusal("there is no volume " + quoted(name));
  if (!volume->unreadable.empty()) throw Refusal(volume->unreadable);
  if (volume->record.kind == Kind::volume) mounts_.make_idle(volume->record, "remove it");
  if (std::size_t live = catalogue_.begin_removal(name)) {
    throw Refusal(described(volume->record) + " has " + counted(live, "live clone") +
                  ": stop the containers that use it first");
  }
  fs::path trashed;
  try {
    trashed = catalogue_.remove(name);
  } catch (...) {
    catalogue_.cancel_removal(name);
    throw;
  }
  trash_.queue(trashed);
  trash_.sweep();
}

}  // namespace snapclone::volume
