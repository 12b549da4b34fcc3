// SPDX-License-Identifier: Apache-2.0
#include "power/history.hpp"

#include "sys/error.hpp"

#include <fstream>

#include <fcntl.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

void sync(fs::path const& path) {
  sys::Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) sys::fail("sync", path.string());
}

}  // namespace

Manifest lasting(Manifest manifest) {
  std::string const data = "data at ";
  for (auto& [path, entry] : manifest) {
    entry.erase("atime");
    if (entry.count("size") == 0) continue;
    std::string content(std::stoul(entry["size"]), '\0');
    std::erase_if(entry, [&](auto const& item) {
      if (item.first.rfind(data, 0) != 0) return false;
      content.replace(std::stoul(item.first.substr(data.size())), item.second.size(), item.second);
      return true;
    });
    entry["content"] = std::move(content);
  }
  return manifest;
}

// What a volume, a snapshot or a live clone shows now.
Manifest History::shown(std::string const& source) const {
  auto at = source.find('@');
  Present const& present = present_.at(source.substr(0, at));
  if (at != std::string::npos) return lasting(manifest(present.uses.at(source.substr(at + 1))));
  bool written = !present.snapshot && !present.uses.empty();
  return written ? lasting(manifest(present.uses.begin()->second)) : present.last;
}

void History::create(std::string const& name, Caller::Options const& options) {
  bool snapshot = options.count("snapshot-of") != 0;
  std::string source;
  for (auto const* key : {"snapshot-of", "clone-of"}) {
    if (options.count(key) != 0) source = options.at(key);
  }
  Present present{lifetimes_.size(), snapshot, {}, {}};
  if (!source.empty()) present.last = shown(source);

  Lifetime made;
  made.name = name;
  made.create_asked = machine_.disk.now();
  caller_.create(name, options);
  made.created = machine_.disk.now();
  lifetimes_.push_back(made);
  present_[name] = present;
  if (source.empty()) {
    enter(name, "looker");
    leave(name, "looker");
  }
  lifetime(name).contents.push_back({{made.create_asked, kNever}, present_.at(name).last});
  // An idle volume is synced when it is frozen, and shows the same from then on.
  auto from = present_.find(source);
  if (from == present_.end() || from->second.snapshot || !from->second.uses.empty()) return;
  lifetime(source).contents.push_back({{made.created, kNever}, present.last});
}

void History::remove(std::string const& name) {
  Lifetime& ending = lifetime(name);
  ending.remove_asked = machine_.disk.now();
  caller_.remove(name);
  ending.removed = machine_.disk.now();
  present_.erase(name);
}

fs::path History::enter(std::string const& name, std::string const& mount_id) {
  Present& present = present_.at(name);
  if (!present.snapshot) {  // from now on it may be written
    for (auto& content : lifetime(name).contents) {
      content.when.to = std::min(content.when.to, machine_.disk.now());
    }
  }
  fs::path path = caller_.mount(name, mount_id);
  present.uses[mount_id] = path;
  return path;
}

void History::leave(std::string const& name, std::string const& mount_id) {
  Present& present = present_.at(name);
  if (!present.snapshot) present.last = lasting(manifest(present.uses.at(mount_id)));
  caller_.unmount(name, mount_id);
  present.uses.erase(mount_id);
}

void History::write_synced(std::string const& name, std::string const& mount_id,
                           std::string const& path) {
  fs::path file = present_.at(name).uses.at(mount_id) / path;
  std::string text = name + " has " + path;
  std::ofstream(file.string()) << text;
  sync(file);
  sync(file.parent_path());
  lifetime(name).synced.push_back({machine_.disk.now(), path, text});
}

}  // namespace snapclone::test
