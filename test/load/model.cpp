// SPDX-License-Identifier: Apache-2.0
#include "load/model.hpp"

#include <array>
#include <functional>
#include <sstream>

namespace snapclone::test {
namespace {

bool take_mount(State& state, Event const& event) {
  if (state.tag == 0) return false;
  auto& mount = state.mounts[event.id];
  if (mount.count == 0) {
    mount.path = event.path;
  } else if (mount.path != event.path) {
    return false;
  }
  ++mount.count;
  return true;
}

bool take_unmount(State& state, Event const& event) {
  auto mount = state.mounts.find(event.id);
  if (mount == state.mounts.end()) return true;
  if (--mount->second.count == 0) state.mounts.erase(mount);
  return true;
}

bool is_at(State const& state, std::string const& path, bool flickers) {
  if (path.empty()) return state.snapshot || state.mounts.empty();
  if (state.snapshot) return false;
  return state.mounts.empty() ? flickers : state.mounts.begin()->second.path == path;
}

}  // namespace

std::string listed(Files const& files) {
  std::string text;
  for (auto const& file : files) text += " " + file;
  return text.empty() ? " none" : text;
}

std::size_t fingerprint(Files const& files) {
  std::size_t print = 0;
  for (auto const& file : files) print ^= std::hash<std::string>()(file);
  return print;
}

std::string name_of(Saying what) {
  static std::array<char const*, 18> const names = {
      "created", "removed",    "mounted",       "unmounted",     "wrote",     "absent",
      "present", "listed",     "another there", "in use",        "freezable", "a volume",
      "alive",   "a snapshot", "has mounts",    "is mounted at", "holds",     "flickered"};
  return names.at(static_cast<std::size_t>(what));
}

std::string described(State const& state) {
  if (state.tag == 0 && state.mounts.empty()) return "absent";
  std::string text = (state.snapshot ? "snapshot " : "volume ") + std::to_string(state.tag);
  for (auto const& [id, mount] : state.mounts) {
    text += " " + id + "*" + std::to_string(mount.count) + (state.snapshot ? "=" + mount.path : "");
  }
  if (state.files_print) text += " files " + std::to_string(*state.files_print);
  return text;
}

std::string described(Event const& event) {
  std::ostringstream text;
  auto ms = [](Clock::time_point time) {
    return std::chrono::duration<double, std::milli>(time.time_since_epoch()).count();
  };
  text.precision(3);
  text << std::fixed << name_of(event.what) << " tag " << event.tag << " id " << event.id
       << " path " << event.path << " number " << event.number << " [" << ms(event.begin) << ", "
       << ms(event.end) << "]";
  if (event.files) text << " files " << fingerprint(*event.files) << listed(*event.files);
  return text.str();
}

bool fits(State const& state, Event const& event, std::size_t flickering) {
  bool exists = state.tag != 0;
  bool mounted = !state.mounts.empty();
  switch (event.what) {
    case Saying::absent:
      return !exists;
    case Saying::present:
      return exists && state.tag == event.tag;
    case Saying::listed:
      return exists;
    case Saying::another_there:
      return exists && state.tag != event.tag;
    case Saying::in_use:
      return exists && (mounted || flickering > 0);
    case Saying::freezable:
      return exists && (state.snapshot || !mounted);
    case Saying::a_volume:
      return exists && !state.snapshot;
    case Saying::alive:
      return exists && state.snapshot && state.mounts.count(event.id) != 0;
    case Saying::a_snapshot:
      return exists && state.snapshot;
    case Saying::has_mounts:
      return event.number >= state.mounts.size() &&
             event.number <= state.mounts.size() + flickering;
    case Saying::is_mounted_at:
      return exists && is_at(state, event.path, flickering > 0);
    case Saying::holds:
      return exists && (!state.files_print || state.files_print == fingerprint(*event.files));
    case Saying::flickered:
      return true;
    default:
      return false;
  }
}

bool take(State& state, Event const& event) {
  bool exists = state.tag != 0;
  bool mounted = !state.mounts.empty();
  switch (event.what) {
    case Saying::created:
      if (exists) return state.tag == event.tag;
      state.tag = event.tag;
      state.snapshot = event.snapshot;
      if (event.files) state.files_print = fingerprint(*event.files);
      return true;
    case Saying::removed:
      if (!exists || mounted) return false;
      state = {};
      return true;
    case Saying::mounted:
      return take_mount(state, event);
    case Saying::unmounted:
      return take_unmount(state, event);
    case Saying::wrote:
      if (!exists || state.snapshot || !mounted) return false;
      if (state.files_print) *state.files_print ^= fingerprint({event.path});
      return true;
    default:
      return false;
  }
}

}  // namespace snapclone::test
