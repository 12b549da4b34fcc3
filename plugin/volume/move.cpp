// SPDX-License-Identifier: Apache-2.0
#include "volume/move.hpp"

#include "sys/error.hpp"
#include "sys/host.hpp"
#include "sys/log.hpp"
#include "sys/text.hpp"
#include "tree/disk_usage.hpp"
#include "tree/sync_tree.hpp"
#include "volume/freezer.hpp"
#include "volume/recovery.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <stdexcept>
#include <thread>
#include <utility>

#include <sys/statvfs.h>

namespace snapclone::volume {
namespace {

constexpr int kLooksForRoom = 6;
constexpr std::chrono::milliseconds kBetweenLooks{500};

// Beside blocks, a copy takes inodes and blocks of directories, which differ between file systems.
std::uint64_t with_slack(std::uint64_t bytes) {
  return bytes == 0 ? 0 : bytes + bytes / 32 + (std::uint64_t{1} << 20U);
}

void recover(Side const& side) {
  StoreParts& parts = side.parts;
  recover(parts.pool, parts.points, parts.catalogue, parts.mounts, parts.trash);
}

void delete_all(Side const& side) {
  side.parts.trash.sweep();
  side.parts.trash.wait();
}

// Which move a pool takes part in; "" for none.
std::string move_id(Side const& side) {
  fs::path const file = side.parts.pool.moving();
  return sys::exists(file) ? sys::read_file(file) : "";
}

std::size_t entries(fs::path const& directory) { return sys::list_dir(directory).size(); }

}  // namespace

void Move::prepare() {
  for (auto const* side : {&from_, &to_}) {
    recover(*side);
    check_sound(*side);
  }
  check_same();
  check_idle();
  // A process that was killed may not have got as far as this with what it has moved.
  (void)to_.parts.pool.disk_errors().sync();
  sys::sync_dir(to_.parts.pool.layers());
  sys::sync_dir(to_.parts.pool.volumes());
  for (auto const* side : {&from_, &to_}) {
    side->parts.trash.start();
    delete_all(*side);
  }
  if (entries(from_.parts.pool.trash()) != 0) {
    throw std::runtime_error(
        "clones or layers in " + from_.name +
        " cannot be deleted, most likely because containers still use them: the lines above say "
        "more. Stop these containers and try again; if there are none, boot the machine first");
  }
  std::uint64_t largest = 0;
  Part const* at = nullptr;
  std::vector<Part> const all = parts();
  for (auto const& part : all) {
    std::uint64_t bytes = missing_bytes(part);
    if (bytes <= largest) continue;
    largest = bytes;
    at = &part;
  }
  if (at != nullptr) require_room(*at, largest);
}

void Move::check_sound(Side const& side) const {
  for (auto const& volume : side.parts.catalogue.all()) {
    if (volume->unreadable.empty()) continue;
    throw std::runtime_error("volume \"" + volume->record.name.text() + "\" in " + side.name +
                             " cannot be moved: " + volume->unreadable);
  }
  if (!side.parts.catalogue.may_sweep()) {
    throw std::runtime_error(side.name +
                             " is damaged, as the lines above say: put that right first");
  }
}

// Volumes that are in both pools must be those whose move was cut short.
void Move::check_same() const {
  bool one_move = !move_id(from_).empty() && move_id(from_) == move_id(to_);
  for (auto const& volume : from_.parts.catalogue.all()) {
    VolumeName const& name = volume->record.name;
    if (!to_.parts.catalogue.find(name)) continue;
    std::string here = sys::read_file(from_.parts.pool.record(name.text()));
    if (one_move && here == sys::read_file(to_.parts.pool.record(name.text()))) continue;
    throw std::runtime_error(
        "there are two volumes \"" + name.text() + "\", one in " + from_.name + " and one in " +
        to_.name +
        ", and no move has made them: one of the two places must be from a backup or another "
        "machine. Take that away");
  }
}

void Move::mark_both() const {
  if (!move_id(from_).empty() && move_id(from_) == move_id(to_)) return;
  std::string const id = sys::random_id();
  for (auto const* side : {&to_, &from_}) {
    sys::write_file(side->parts.pool.moving(), id, sys::Durability::power);
    sys::sync_dir(side->parts.pool.root());
  }
}

void Move::unmark_both() const {
  for (auto const* side : {&from_, &to_}) {
    sys::remove_file(side->parts.pool.moving());
    sys::sync_dir(side->parts.pool.root());
  }
}

void Move::check_idle() {
  for (auto const& volume : from_.parts.catalogue.all()) {
    Record const& record = volume->record;
    std::string cannot = described(record) + " cannot be moved: it ";
    if (record.kind == Kind::volume) {
      Usage usage = from_.parts.in_use.release(record);
      if (usage.use == backend::Use::free) continue;
      throw std::runtime_error(cannot + usage.sentence + ". Then " + usage.remedy + " first");
    }
    std::size_t clones = from_.parts.catalogue.number_of_clones(record.name);
    if (clones == 0) continue;
    throw std::runtime_error(cannot + "has " + sys::counted(clones, "live clone") +
                             ". Stop the containers that use it first");
  }
}

// Each volume joins the parts that have one of its layers.
std::vector<Move::Part> Move::parts() const {
  std::vector<Part> all;
  std::map<std::string, std::size_t> part_of;  // by layer
  for (auto const& volume : from_.parts.catalogue.all()) {
    Stack const layers = layers_of(volume->record);
    std::set<std::size_t> joined;
    for (auto const& layer : layers) {
      auto found = part_of.find(layer);
      if (found != part_of.end()) joined.insert(found->second);
    }
    std::size_t into = joined.empty() ? all.size() : *joined.begin();
    if (joined.empty()) all.emplace_back();
    for (std::size_t other : joined) {
      if (other == into) continue;
      for (auto const& layer : all[other].layers) part_of[layer] = into;
      all[into].layers.merge(all[other].layers);
      auto& volumes = all[into].volumes;
      volumes.insert(volumes.end(), all[other].volumes.begin(), all[other].volumes.end());
      all[other] = {};
    }
    all[into].volumes.push_back(volume);
    for (auto const& layer : layers) {
      all[into].layers.insert(layer);
      part_of[layer] = into;
    }
  }
  std::erase_if(all, [](Part const& part) { return part.volumes.empty(); });
  return all;
}

// Every layer there is named by a record: the sweep has deleted all others.
bool Move::is_there(std::string const& layer) const {
  return sys::exists(to_.parts.pool.layer(layer));
}

std::uint64_t Move::missing_bytes(Part const& part) const {
  std::uint64_t bytes = 0;
  for (auto const& layer : part.layers) {
    if (is_there(layer)) continue;
    tree::DiskUsage usage = tree::disk_usage(from_.parts.pool.tree(layer));
    bytes += usage.own + usage.shared;
  }
  return with_slack(bytes);
}

std::uint64_t Move::free_bytes() const {
  struct statvfs status {};
  fs::path const& root = to_.parts.pool.root();
  if (statvfs(root.c_str(), &status) != 0) sys::fail("look at", root.string());
  std::uint64_t free = std::uint64_t{status.f_bavail} * status.f_frsize;
  return free > to_.least_free ? free - to_.least_free : 0;
}

// What was deleted before takes a while to be free.
void Move::require_room(Part const& part, std::uint64_t bytes) {
  for (int look = 0; look < kLooksForRoom; ++look) {
    if (free_bytes() >= bytes) return;
    if (look % 3 == 0) from_.give_back();
    (void)to_.parts.pool.disk_errors().sync();
    to_.look_again();
    if (free_bytes() >= bytes) return;
    std::this_thread::sleep_for(kBetweenLooks);
  }
  std::string what = described(part.volumes.front()->record);
  if (part.volumes.size() > 1) {
    what += " and " + sys::counted(part.volumes.size() - 1, "other") +
            " that share layers with it, which only go together,";
  }
  throw std::runtime_error("there is no room to move " + what + " to " + to_.name +
                           ": that takes " + sys::bytes_text(bytes) + ", and only " +
                           sys::bytes_text(free_bytes()) +
                           " can be had. Free space on the host's disk, or remove volumes and "
                           "snapshots that nobody needs, and try again");
}

bool Move::has_begun() const { return pool::holds_trees(to_.parts.pool.root()); }

std::size_t Move::run() {
  std::vector<Part> const all = parts();
  number_ = from_.parts.catalogue.all().size();
  mark_both();
  for (auto const& part : all) {
    require_room(part, missing_bytes(part));
    for (auto const& volume : part.volumes) move(volume);
    from_.parts.trash.wait();
  }
  delete_all(from_);
  if (pool::holds_trees(from_.parts.pool.root())) {
    throw std::runtime_error("all volumes are in " + to_.name + ", but something in " + from_.name +
                             " cannot be deleted, as the lines above say: try again");
  }
  unmark_both();
  from_.parts.pool.take_reserve();
  try {
    to_.parts.pool.keep_reserve();
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());  // the next start tries again
  }
  return moved_;
}

void Move::move(VolumePtr const& volume) {
  Record const& record = volume->record;
  if (!to_.parts.catalogue.find(record.name)) copy(volume);
  from_.parts.volumes.remove(record.name);
  ++moved_;
  sys::log_info("moved " + described(record) + " (" + std::to_string(moved_) + " of " +
                std::to_string(number_) + ")");
}

// The copies are durable before any of them has its name in layers/, so a layer that is there is
// whole; and they have their names, durably, before the record that needs them.
void Move::copy(VolumePtr const& volume) {
  Record const& record = volume->record;
  Pool const& pool = to_.parts.pool;
  Catalogue& catalogue = to_.parts.catalogue;
  Stack const layers = layers_of(record);
  Catalogue::Pin pin(catalogue, layers);
  Stack missing;
  for (auto const& layer : layers) {
    if (!is_there(layer)) missing.push_back(layer);
  }
  fs::path staged = pool.staging() / ("volume-" + sys::random_id());
  try {
    std::uint64_t errors = pool.disk_errors().count();
    for (auto const& layer : missing) copy_layer(layer, layer == record.upper, described(record));
    if (pool.disk_errors().sync() != errors) {
      for (auto const& layer : missing) tree::sync_tree(staged_layer(layer));
    }
    for (auto const& layer : missing) sys::rename_new(staged_layer(layer), pool.layer(layer));
    sys::sync_dir(pool.layers());
    catalogue.adopt(sys::read_file(from_.parts.pool.record(record.name.text())), staged);
  } catch (...) {
    for (auto const& layer : missing) to_.parts.trash.drop(staged_layer(layer), TrashKind::other);
    to_.parts.trash.drop(staged, TrashKind::other);
    throw;
  }
}

fs::path Move::staged_layer(std::string const& layer) const {
  return to_.parts.pool.staging() / ("layer-" + layer);
}

// The tree is copied as it lies, with the marks of overlayfs. Those that name inodes of the other
// file system (trusted.overlay.origin) name nothing here, and overlayfs then goes without.
void Move::copy_layer(std::string const& layer, bool upper, std::string const& what) {
  backend::Backend& backend = to_.parts.backend;
  fs::path tree = staged_layer(layer);
  sys::make_dir(tree);
  backend.make_tree(tree, {});
  try {
    log_lost_flags(backend.copy(from_.parts.pool.tree(layer), Pool::content(tree)), what);
  } catch (sys::Error const& error) {
    throw std::runtime_error(what + " cannot be moved, and is where it was: " + error.what());
  }
  if (!upper) backend.seal(tree);
}

}  // namespace snapclone::volume
