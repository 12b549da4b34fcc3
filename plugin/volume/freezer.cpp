// SPDX-License-Identifier: Apache-2.0
#include "volume/freezer.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"
#include "tree/sync_tree.hpp"
#include "volume/refusal.hpp"
#include "volume/stack_view.hpp"

namespace snapclone::volume {
namespace {

// The kernel takes 500, but looking a name up for the first time gets slower with each.
constexpr std::size_t kMostLayers = 50;

}  // namespace

void log_lost_flags(tree::CopyReport const& report, std::string const& from) {
  if (report.flags_lost_count == 0) return;
  std::string paths;
  for (auto const& path : report.flags_lost)
    paths += (paths.empty() ? "" : ", ") + sys::excerpt(path);
  sys::log_warning("the copy of " + from + " lacks the flags immutable or append-only of " +
                   sys::counted(report.flags_lost_count, "file") + ": " + paths);
}

Pinned Freezer::freeze(Origin const& origin, bool live, std::string const& purpose) {
  Record const& record = origin.volume->record;
  if (!origin.clone && record.kind == Kind::snapshot) {
    return {record.stack, {catalogue_, record.stack}};
  }
  if (!live && asks_for_idle(origin)) {
    require_idle(record, purpose);
    if (backend_.layered()) return seal(origin);
  }
  std::uint64_t errors = pool_.disk_errors().count();
  Stack below = origin.clone ? origin.clone->stack : record.stack;
  Pinned frozen = push_layer(capture(origin, backend::Form::sealed), below);
  make_durable(errors, {frozen.stack.front()});
  check_writes(origin);
  return frozen;
}

Freezer::Upper Freezer::empty_upper() {
  Pinned made = new_layer([&](fs::path const& tree) { backend_.make_tree(tree, {}); });
  std::string layer = made.stack.front();
  sync_empty_layer(layer);
  return {layer, {}, std::move(made.pin)};
}

Freezer::Upper Freezer::upper_from(Origin const& origin, bool live, std::string const& purpose) {
  std::uint64_t errors = pool_.disk_errors().count();
  bool sealed_already = !origin.clone && origin.volume->record.kind == Kind::snapshot;
  if (!backend_.layered() && !sealed_already) {
    if (!live && asks_for_idle(origin)) require_idle(origin.volume->record, purpose);
    Pinned made = capture(origin, backend::Form::writable);
    make_durable(errors, made.stack);
    check_writes(origin);
    return {made.stack.front(), {}, std::move(made.pin)};
  }
  Pinned below = freeze(origin, live, purpose);
  Pinned made = new_layer([&](fs::path const& tree) { backend_.make_tree(tree, below.stack); });
  std::string layer = made.stack.front();
  if (!backend_.layered()) {
    make_durable(errors, made.stack);
    return {layer, {}, std::move(made.pin)};
  }
  sync_empty_layer(layer);
  Stack all = below.stack;
  all.push_back(layer);
  return {layer, below.stack, {catalogue_, all}};
}

// Whether freezing should first find out that nobody writes. A request that names a live clone says
// already that somebody may.
bool Freezer::asks_for_idle(Origin const& origin) const {
  return !origin.clone && !backend_.captures_atomically();
}

void Freezer::require_idle(Record const& record, std::string const& purpose) {
  Usage usage = in_use_.release(record);
  if (usage.use == backend::Use::free) return;
  if (usage.use == backend::Use::unknown) {
    throw Refusal(
        described(record) + " " + usage.sentence + ": " + usage.remedy +
        ", then add -o live=true; without it only the machine's next boot is proof enough");
  }
  throw Refusal(described(record) + " " + usage.sentence + ": " + usage.remedy + ", then " +
                purpose + "; or pause " + usage.users +
                " (docker pause) and add -o live=true, which copies what has "
                "changed; or keep such volumes in a pool on btrfs, which freezes them as they run");
}

// Gives the volume a new upper and makes the old one part of its stack; a stack that gets too high
// becomes one layer, for the snapshot and for the volume to go on with. That is durable before
// anything else names the old upper, and the volume shows the same at every moment.
Pinned Freezer::seal(Origin const& origin) {
  Record record = origin.volume->record;
  std::string old_upper = record.upper;
  std::uint64_t errors = pool_.disk_errors().count();
  if (backend_.unchanged(pool_.layer(old_upper), record.stack)) {
    sys::sync_dir(
        pool_.volume(record.name.text()));  // an earlier sealing may have failed right there
    trash_.drop_leftover_work(pool_.layer(record.stack.front()));
    return {record.stack, {catalogue_, record.stack}};
  }
  Pinned frozen = push_layer({{old_upper}, {catalogue_, {old_upper}}}, record.stack);
  record.stack = frozen.stack;
  try {
    Pinned upper = new_layer([&](fs::path const& tree) { backend_.make_tree(tree, record.stack); });
    record.upper = upper.stack.front();
    Stack made = upper.stack;
    if (frozen.stack.front() != old_upper) made.push_back(frozen.stack.front());
    make_durable(errors, made);
    check_writes(origin);
    catalogue_.replace(record);
  } catch (...) {
    frozen = {};  // not needed any more: let new layers be swept
    trash_.sweep();
    throw;
  }
  // Not before the layer is durably sealed: without its work directory no volume can be mounted.
  trash_.drop_leftover_work(pool_.layer(old_upper));
  trash_.sweep();  // a flattened stack may have been nobody else's, the old upper included
  return frozen;
}

// A layer appears whole.
Pinned Freezer::new_layer(std::function<void(fs::path const& tree)> const& make) {
  std::string id = sys::random_id();
  Pinned made{{id}, {catalogue_, {id}}};
  fs::path staged = pool_.staging() / ("layer-" + id);
  sys::make_dir(staged);
  try {
    make(staged);
    sys::rename_new(staged, pool_.layer(id));
  } catch (...) {
    trash_.drop(staged, TrashKind::other);
    throw;
  }
  return made;
}

// Syncs this layer alone, and not all that others have written to the file system.
void Freezer::sync_empty_layer(std::string const& layer) const {
  sys::sync_dir(pool_.tree(layer));
  sys::sync_dir(pool_.layer(layer));
  sys::sync_dir(pool_.layers());
}

// Makes new layers durable. `errors` is how many the disk had reported when the first of them was
// begun. If there was one since, it may be anyone's, so each of our files is synced by itself.
void Freezer::make_durable(std::uint64_t errors, Stack const& made) {
  if (pool_.disk_errors().sync() == errors) return;
  for (auto const& layer : made) tree::sync_tree(pool_.layer(layer));
  sys::sync_dir(pool_.layers());
}

// Throws if the disk did not keep what was written to the origin: what was frozen could change once
// the kernel forgets the content. The caller has synced the file system.
void Freezer::check_writes(Origin const& origin) {
  if (!origin.clone) {
    std::string const& upper = origin.volume->record.upper;
    std::uint64_t errors = pool_.disk_errors().count();
    if (!is_doubtful(upper, errors)) return;
    tree::sync_tree(pool_.layer(upper));  // throws at the first file
    sys::MutexLock lock(mutex_);
    if (errors_ == errors) doubtful_.erase(upper);
  } else if (!origin.clone->in_memory && pool_.disk_errors().count() != 0) {
    tree::sync_tree(pool_.clone(origin.clone->id));
  }
}

// Whether the disk has reported an error since the upper was made, or all its files were asked.
bool Freezer::is_doubtful(std::string const& upper, std::uint64_t errors) {
  sys::MutexLock lock(mutex_);
  if (errors > errors_) {
    errors_ = errors;
    for (auto const& volume : catalogue_.all()) doubtful_.insert(volume->record.upper);
  }
  return doubtful_.count(upper) != 0;
}

Pinned Freezer::capture(Origin const& origin, backend::Form form) {
  Record const& record = origin.volume->record;
  return new_layer([&](fs::path const& tree) {
    if (origin.clone && origin.clone->in_memory && !backend_.layered()) {
      return copy_mounted(points_.clone(origin.clone->id), tree, form);
    }
    fs::path from =
        origin.clone ? tree_of(pool_, points_, *origin.clone) : pool_.layer(record.upper);
    try {
      log_lost_flags(backend_.capture(from, tree, form), described(record));
    } catch (backend::CannotCapture const& error) {
      throw Refusal(described(record) + " cannot be frozen: " + error.what());
    }
  });
}

Pinned Freezer::push_layer(Pinned top, Stack const& below) {
  if (!backend_.layered()) return top;
  Stack stack = top.stack;
  stack.insert(stack.end(), below.begin(), below.end());
  if (stack.size() > kMostLayers) return flatten(stack);
  return {stack, {catalogue_, stack}};
}

// Copies what the stack shows into one new layer. Existing stacks stay as they are.
Pinned Freezer::flatten(Stack const& stack) {
  Catalogue::Pin pin(catalogue_, stack);
  StackView view(points_, backend_, stack);
  return new_layer(
      [&](fs::path const& tree) { copy_mounted(view.path(), tree, backend::Form::sealed); });
}

void Freezer::copy_mounted(fs::path const& mounted, fs::path const& tree, backend::Form form) {
  backend_.make_tree(tree, {});
  log_lost_flags(backend_.copy(mounted, Pool::content(tree), backend_.layered()),
                 "what is mounted on " + mounted.string());
  if (form == backend::Form::sealed) backend_.seal(tree);
}

}  // namespace snapclone::volume
