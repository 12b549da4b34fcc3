// SPDX-License-Identifier: Apache-2.0
#include "volume/in_use.hpp"

#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/mount.hpp"
#include "sys/text.hpp"
#include "volume/refusal.hpp"

#include <thread>

namespace snapclone::volume {
namespace {

using backend::Use;

constexpr std::chrono::milliseconds kPoll{20};

}  // namespace

Usage InUse::release(Record const& record) {
  fs::path target = points_.volume(record.name.text());
  MountCounts counts = catalogue_.counts(record.name);
  std::string list = "docker ps --filter volume=" + record.name.text() + " shows";
  if (!counts.empty() && sys::is_mounted(target)) {
    return {Use::used, "is in use by " + sys::counted(counts.size(), "mount"),
            "stop the containers that use it (" + list + " them)", "them"};
  }
  clear_mount_point(target);
  give_up_counts(record);
  Use use = settled_use(pool_.layer(record.upper));
  if (use == Use::free) {
    clear_counts(record.name);
    return {};
  }
  return {use,
          std::string(use == Use::used ? "is still" : "may still be") +
              " in use by a container that the plugin knows nothing of, most likely one started "
              "before the plugin was restarted",
          "stop that container (" + list + " it)", "it"};
}

void InUse::require_idle(Record const& record, std::string const& purpose) {
  Usage found = release(record);
  if (found.use == Use::free) return;
  throw Refusal(described(record) + " " + found.sentence + ": " + found.remedy + ", then " +
                purpose);
}

void InUse::give_up_counts(Record const& record) {
  if (backend_.can_probe() || catalogue_.counts(record.name).empty()) return;
  backend_.hold_until_boot(pool_.layer(record.upper));
  clear_counts(record.name);
}

bool InUse::hold_until_boot(VolumeName const& name) {
  if (backend_.can_probe()) return true;
  try {
    VolumePtr volume = catalogue_.find(name);
    if (!volume || !volume->unreadable.empty()) return false;
    backend_.hold_until_boot(pool_.layer(volume->record.upper));
    return true;
  } catch (sys::Error const& error) {
    sys::log_warning(error.what());
    return false;
  }
}

void InUse::save_counts(VolumeName const& name, MountCounts const& counts) const {
  fs::path path = pool_.mounts() / name.text();
  if (counts.empty()) {
    sys::remove_file(path);
  } else {
    sys::write_file(path, encode(counts), sys::Durability::process);
  }
}

void InUse::clear_counts(VolumeName const& name) {
  save_counts(name, {});
  catalogue_.set_counts(name, {});
}

Use InUse::settled_use(fs::path const& tree) const {
  auto end = std::chrono::steady_clock::now() + settle_;
  for (;;) {
    Use use = backend_.use_of(tree);
    if (use != Use::used || std::chrono::steady_clock::now() >= end) return use;
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace snapclone::volume
