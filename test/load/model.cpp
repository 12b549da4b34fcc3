// SPDX-License-Identifier: Apache-2.0
#include "load/model.hpp"

#include <array>
#include <functional>
#include <sstream>

namespace snapclone::test {
namespace {

bool take_mount(State& state, Observation const& observation) {
  if (state.tag == 0) return false;
  auto& mount = state.mounts[observation.id];
  if (mount.count == 0) {
    mount.path = observation.path;
  } else if (mount.path != observation.path) {
    return false;
  }
  ++mount.count;
  return true;
}

bool take_unmount(State& state, Observation const& observation) {
  auto mount = state.mounts.find(observation.id);
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

std::string name_of(Observation::Kind kind) {
  static std::array<char const*, 18> const names = {
      "created", "removed",    "mounted",       "unmounted",     "wrote",     "absent",
      "present", "listed",     "another there", "in use",        "freezable", "a volume",
      "alive",   "a snapshot", "has mounts",    "is mounted at", "holds",     "flickered"};
  return names.at(static_cast<std::size_t>(kind));
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

std::string described(Observation const& observation) {
  std::ostringstream text;
  auto ms = [](Clock::time_point time) {
    return std::chrono::duration<double, std::milli>(time.time_since_epoch()).count();
  };
  text.precision(3);
  text << std::fixed << name_of(observation.kind) << " tag " << observation.tag << " id "
       << observation.id << " path " << observation.path << " number " << observation.number << " ["
       << ms(observation.begin) << ", " << ms(observation.end) << "]";
  if (observation.files)
    text << " files " << fingerprint(*observation.files) << listed(*observation.files);
  return text.str();
}

bool fits(State const& state, Observation const& observation, std::size_t flickering) {
  bool exists = state.tag != 0;
  bool mounted = !state.mounts.empty();
  switch (observation.kind) {
    case Observation::absent:
      return !exists;
    case Observation::present:
      return exists && state.tag == observation.tag;
    case Observation::listed:
      return exists;
    case Observation::another_there:
      return exists && state.tag != observation.tag;
    case Observation::in_use:
      return exists && (mounted || flickering > 0);
    case Observation::freezable:
      return exists && (state.snapshot || !mounted);
    case Observation::a_volume:
      return exists && !state.snapshot;
    case Observation::alive:
      return exists && state.snapshot && state.mounts.count(observation.id) != 0;
    case Observation::a_snapshot:
      return exists && state.snapshot;
    case Observation::has_mounts:
      return observation.number >= state.mounts.size() &&
             observation.number <= state.mounts.size() + flickering;
    case Observation::is_mounted_at:
      return exists && is_at(state, observation.path, flickering > 0);
    case Observation::holds:
      return exists && (!state.files_print || state.files_print == fingerprint(*observation.files));
    case Observation::flickered:
      return true;
    default:
      return false;
  }
}

bool take(State& state, Observation const& observation) {
  bool exists = state.tag != 0;
  bool mounted = !state.mounts.empty();
  switch (observation.kind) {
    case Observation::created:
      if (exists) return state.tag == observation.tag;
      state.tag = observation.tag;
      state.snapshot = observation.snapshot;
      if (observation.files) state.files_print = fingerprint(*observation.files);
      return true;
    case Observation::removed:
      if (!exists || mounted) return false;
      state = {};
      return true;
    case Observation::mounted:
      return take_mount(state, observation);
    case Observation::unmounted:
      return take_unmount(state, observation);
    case Observation::wrote:
      if (!exists || state.snapshot || !mounted) return false;
      if (state.files_print) *state.files_print ^= fingerprint({observation.path});
      return true;
    default:
      return false;
  }
}

}  // namespace snapclone::test
