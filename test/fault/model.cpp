// SPDX-License-Identifier: Apache-2.0
#include "fault/model.hpp"

namespace snapclone::test {
namespace {

std::string quoted(Model::Key const& key) { return key.first + "@" + key.second; }

// An empty volume has a root directory with whatever time, and nothing in it.
void compare(std::string const& what, Manifest const& expected, Manifest const& found,
             std::string& lines) {
  if (expected.empty()) {
    if (found.size() != 1) lines += what + " is not empty\n";
    return;
  }
  std::string different = differences(without_access_times(expected), without_access_times(found));
  if (!different.empty()) lines += what + " shows something else:\n" + different;
}

// NAME or NAME@MOUNT, as options give it.
Manifest shown_by(Model const& model, std::string const& source) {
  std::size_t at = source.find('@');
  if (at == std::string::npos) return model.volumes.at(source).shows;
  return model.mounts.at({source.substr(0, at), source.substr(at + 1)}).shows;
}

Model::Volume made(Model const& model, volume::RawOptions const& options) {
  Model::Volume volume;
  volume.options = options;
  for (auto const* key : {"snapshot-of", "clone-of"}) {
    auto source = options.find(key);
    if (source == options.end()) continue;
    volume.snapshot = source->first == "snapshot-of";
    volume.shows = shown_by(model, source->second);
  }
  return volume;
}

}  // namespace

std::string described(Step const& step) {
  static std::map<Step::Verb, std::string> const verbs = {
      {Step::Verb::create, "Create"}, {Step::Verb::remove, "Remove"},
      {Step::Verb::mount, "Mount"},   {Step::Verb::unmount, "Unmount"},
      {Step::Verb::fill, "fill"},     {Step::Verb::change, "change"},
      {Step::Verb::raise, "raise"},   {Step::Verb::litter, "litter"},
      {Step::Verb::detach, "detach"}, {Step::Verb::enlarge, "enlarge"},
      {Step::Verb::start, "start"}};
  std::string text = verbs.at(step.verb);
  if (!step.name.empty()) text += " " + step.name;
  if (!step.id.empty()) text += " " + step.id;
  for (auto const& [key, value] : step.options) text += " " + key + "=" + value;
  return text;
}

Model Model::after(Step const& step) const {
  Model model = *this;
  Key key{step.name, step.id};
  switch (step.verb) {
    case Step::Verb::create:
      model.volumes.try_emplace(step.name, made(*this, step.options));
      break;
    case Step::Verb::remove:
      model.volumes.erase(step.name);
      break;
    case Step::Verb::mount:
      if (model.mounts[key].count++ == 0) model.mounts[key].shows = volumes.at(step.name).shows;
      break;
    case Step::Verb::unmount:
      if (model.mounts.count(key) != 0 && --model.mounts[key].count == 0) model.mounts.erase(key);
      break;
    default:
      break;
  }
  return model;
}

Model Model::without_mounts() const {
  Model model = *this;
  model.mounts.clear();
  return model;
}

std::string differences(Model const& expected, Model const& found) {
  std::string lines;
  for (auto const& [name, volume] : expected.volumes) {
    auto other = found.volumes.find(name);
    if (other == found.volumes.end()) {
      lines += name + " is gone\n";
    } else if (other->second.snapshot != volume.snapshot ||
               other->second.options != volume.options) {
      lines += name + " is not what was made\n";
    } else {
      compare(name, volume.shows, other->second.shows, lines);
    }
  }
  for (auto const& [name, volume] : found.volumes) {
    if (expected.volumes.count(name) == 0) lines += name + " is there\n";
  }
  for (auto const& [key, mount] : expected.mounts) {
    auto other = found.mounts.find(key);
    if (other == found.mounts.end()) {
      lines += quoted(key) + " is not mounted any more\n";
      continue;
    }
    if (other->second.count != mount.count) {
      lines += quoted(key) + " is counted " + std::to_string(other->second.count) + " times, not " +
               std::to_string(mount.count) + "\n";
    }
    compare(quoted(key), mount.shows, other->second.shows, lines);
  }
  for (auto const& [key, mount] : found.mounts) {
    if (expected.mounts.count(key) == 0) lines += quoted(key) + " is mounted\n";
  }
  return lines;
}

}  // namespace snapclone::test
