// SPDX-License-Identifier: Apache-2.0
#include "fault/attempt.hpp"

#include "sys/error.hpp"

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace snapclone::test {
namespace {

using Verb = Step::Verb;

bool contains(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}

std::string shown(Heights const& heights) {
  std::string text;
  for (auto const& [name, height] : heights) text += name + " " + std::to_string(height) + "\n";
  return text;
}

bool names_clone(Step const& step) {
  return std::any_of(step.options.begin(), step.options.end(),
                     [](auto const& option) { return contains(option.second, "@"); });
}

// Whether the call deletes, or makes a background do that.
bool clears(std::string const& call) {
  for (auto const* name : {"unlink ", "rmdir ", "btrfs delete "}) {
    if (call.rfind(name, 0) == 0) return true;
  }
  return call.rfind("rename ", 0) == 0 && contains(call, "/pool/trash/");
}

// Whether the call asks something of a file without a name, or removes a device's node that goes
// with the container's /dev.
bool leaves_nothing(std::string const& call) {
  return call.rfind("try ", 0) == 0 || contains(call, " (deleted)") ||
         call.rfind("unlink /dev/", 0) == 0;
}

// As long as it is not certain that sealing is durable, the layer may have to be mounted again.
bool is_work_directory(std::string const& left) {
  return std::count(left.begin(), left.end(), '\n') == 1 && contains(left, " has \"work\" left");
}

}  // namespace

void broken(std::string const& promise, std::string const& details) {
  throw std::runtime_error(promise + ":\n" + details);
}

Attempt::Attempt(Scenario const& scenario, Ground const& ground, fs::path const& directory,
                 Watching watching)
    : scenario_(scenario), watching_(watching), rig_(ground, directory) {
  if (!starts()) {
    rig_.prepare(scenario.before, watching);
  } else if (!scenario.before.empty()) {
    rig_.prepare(scenario.before, Watching::nothing);
    rig_.program.kill();
  }
  before_ = rig_.model;
  after_ = rig_.model.after(scenario.tested);
}

bool Attempt::strike(Fault fault, Manner const& manner) {
  if (starts()) return strike_start(fault, manner);
  return run(fault, manner, [this] { return rig_.perform(scenario_.tested); });
}

bool Attempt::strike_start(Fault fault, Manner const& manner) {
  rig_.start(watching_);
  return run(fault, manner, [this] { return rig_.program.ask("List", {}); });
}

bool Attempt::run(Fault fault, Manner const& manner, std::function<Answer()> const& act) {
  Tracer& tracer = rig_.tracer();
  tracer.describe_all(manner.describe);
  tracer.hold_background(!manner.together);
  tracer.arm(fault);
  answer_ = act();
  tracer.hold_background(false);
  left_ = "";
  if (answer_.came() && manner.patient) left_ = rig_.settle();
  if (answer_.came() && !manner.patient) {
    left_ = rig_.settle([this](std::string const& left) {
      std::string log = rig_.complaints();
      return (says_what_is_left(log) && contains(log, error())) || is_work_directory(left) ||
             leaves_nothing(target());
    });
  }
  tracer.disarm();
  return tracer.struck();
}

std::string Attempt::target() const {
  std::string const& text = rig_.tracer().target().text;
  return text.empty() ? "the end" : text;
}

std::string Attempt::error() const { return sys::errno_text(rig_.tracer().error()); }

void Attempt::engine_ends() {
  rig_.program.kill();
  rig_.unmount_everything();
  before_ = before_.without_mounts();
  after_ = after_.without_mounts();
  without_engine_ = true;
  needs_boot_ = true;
}

void Attempt::check_found(bool may_be_undone, bool may_be_done) {
  // What cannot be read now may be read by the next start; until then the volume is in use.
  if (contains(rig_.complaints(), "the mount counts of volume")) rig_.start();
  Model found = rig_.found();
  if (contains(rig_.complaints(), "counted in memory only")) {
    for (auto& [key, mount] : found.mounts) {
      if (after_.mounts.count(key) != 0) mount.count = after_.mounts.at(key).count;
    }
  }
  std::string undone = differences(before_, found);
  std::string done = differences(after_, found);
  bool good = (may_be_undone && undone.empty()) || (may_be_done && done.empty());
  if (!good) {
    broken("what is there is not what must be",
           (may_be_undone ? "if it was not done:\n" + undone : "") +
               (may_be_done ? "if it was done:\n" + done : "") + rig_.complaints());
  }
  rig_.model = may_be_done && done.empty() ? after_ : before_;
}

void Attempt::check_model(std::string const& when) {
  std::string different = differences(rig_.model, rig_.found());
  if (!different.empty()) broken("not as it must be " + when, different + rig_.complaints());
}

void Attempt::check_nothing_is_left(std::string const& when) {
  std::string left = rig_.settle();
  if (!left.empty()) broken("something is left over " + when, left + rig_.complaints());
}

std::string Attempt::check_what_is_left() {
  if (left_.empty()) return "";
  std::string log = rig_.complaints();
  if (!says_what_is_left(log) && !is_work_directory(left_) && !leaves_nothing(target())) {
    broken("something is left over", left_ + log);
  }
  rig_.start();
  rig_.found();  // which waits for it, and shows it that volumes are free
  bool unsure = contains(log, "counted in memory only");
  if (unsure) rig_.expect_held();
  needs_boot_ = needs_boot_ || unsure;
  check_nothing_is_left("after the next start");
  return left_;
}

void Attempt::check_next_try(Heights const& undisturbed) {
  Step const& step = scenario_.tested;
  bool gone = step.verb == Verb::remove && rig_.model.volumes.count(step.name) == 0;
  bool lost_source = without_engine_ && names_clone(step);
  if (!starts() && !gone && !lost_source) rig_.must(step);
  check_model("after the next try");
  check_nothing_is_left("after the next try");
  if (!without_engine_ && rig_.heights() != undisturbed) {
    broken("the layers are not what they are without a fault", shown(rig_.heights()));
  }
}

void Attempt::check_all_can_go() {
  rig_.check_image_size();
  rig_.clear();
  check_nothing_is_left("when everything was removed");
  if (needs_boot_) {
    rig_.boot();
    check_nothing_is_left("when everything was removed, after a boot");
  }
  if (rig_.heights().at("") != 0) broken("layers are left", shown(rig_.heights()));
}

void Attempt::check_sentence() const {
  std::string sentence = answer_.error();
  if (scenario_.tested.verb == Verb::unmount) broken("an Unmount failed", sentence);
  if (!contains(sentence, error()) || !contains(sentence, "cannot ")) {
    broken("the error does not say what failed", sentence);
  }
}

// The errors of some calls are answers: the probe's EBUSY, that of an umount, after which the mount
// is detached, of fallocate, after which the reserve is smaller, and of a busy loop device. What
// the background has done in the end it has done, whatever way it took; so has whoever wanted
// something out of the way, if nothing is left.
void Attempt::check_tolerated() const {
  Tracer const& tracer = rig_.tracer();
  std::string const& call = tracer.target().text;
  auto begins = [&](char const* with) { return call.rfind(with, 0) == 0; };
  bool answer = (tracer.error() == EBUSY && (begins("fsconfig") || begins("umount") ||
                                             begins("attach") || begins("mount /dev/loop"))) ||
                begins("fallocate") || leaves_nothing(call);
  bool done = (tracer.target().background || clears(call)) && left_.empty();
  if (tracer.target().effect != Effect::change || answer || done) return;
  if (!contains(rig_.program.log(), error())) {
    broken("it succeeded and did not say what failed", left_ + rig_.complaints());
  }
}

void Attempt::check_start_failed() const {
  if (!starts()) broken("the program ended", rig_.complaints());
  if (!contains(rig_.complaints(), error())) {
    broken("it ended and did not say why", rig_.complaints());
  }
}

}  // namespace snapclone::test
