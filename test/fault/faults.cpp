// SPDX-License-Identifier: Apache-2.0
#include "fault/faults.hpp"

#include "fault/attempt.hpp"

#include <regex>
#include <stdexcept>

namespace snapclone::test {
namespace {

// Of what a start on an image does, the rest is what any start does.
bool is_about_image(std::string const& call) {
  static std::regex const about(
      "^(attach|enlarge|grow|ask|get a free|reserve|try) |\\.img|/dev/|/sys/|/pool$|\\(deleted\\)");
  return std::regex_search(call, about);
}

}  // namespace

Undisturbed observe(Scenario const& scenario, Ground const& ground, fs::path const& directory,
                    bool looks) {
  Attempt attempt(scenario, ground, directory, looks ? Watching::looks : Watching::changes);
  attempt.strike({}, {.describe = true});
  if (!attempt.answer().ok()) broken("it fails without a fault", attempt.answer().error());
  if (!attempt.left().empty()) broken("something is left over without a fault", attempt.left());
  Undisturbed undisturbed{attempt.rig().tracer().seen(), attempt.rig().heights()};
  for (auto& call : undisturbed.calls) {
    if (scenario.in_image && !is_about_image(call.text)) call.effect = Effect::none;
  }
  attempt.check_found(false, true);
  attempt.check_all_can_go();
  return undisturbed;
}

bool try_kill(Scenario const& scenario, Ground const& ground, fs::path const& directory,
              Kill const& kill, Undisturbed const& undisturbed) {
  Attempt attempt(scenario, ground, directory, Watching::changes);
  Attempt::Manner const manner{.together = kill.together};
  bool struck = attempt.strike({kill.at, std::nullopt}, manner);
  std::string where = "killed before " + attempt.target();
  try {
    bool acknowledged = attempt.answer().ok();
    if (kill.engine) attempt.engine_ends();
    if (kill.again != 0) {
      struck = attempt.strike_start({kill.again, std::nullopt}, manner);
      where += ", and again before " + attempt.target();
    }
    attempt.rig().start();
    attempt.check_found(!acknowledged, true);
    attempt.check_nothing_is_left("after the start");
    attempt.check_next_try(undisturbed.heights);
    attempt.check_all_can_go();
  } catch (std::exception const& error) {
    throw std::runtime_error(where + (kill.engine ? ", and the engine ended" : "") + ": " +
                             error.what());
  }
  return struck;
}

Outcome try_failure(Scenario const& scenario, Ground const& ground, fs::path const& directory,
                    Failure const& failure, Undisturbed const& undisturbed) {
  Attempt attempt(scenario, ground, directory, Watching::looks);
  Outcome outcome;
  try {
    outcome.struck = attempt.strike({failure.at, failure.error}, {.patient = failure.patient});
    outcome.target = attempt.target() + " failed with " + attempt.error();
    bool good = attempt.answer().ok();
    outcome.refused = !good;
    if (!attempt.answer().came()) {
      attempt.check_start_failed();
      attempt.rig().start();
    } else if (!good) {
      attempt.check_sentence();
    } else if (outcome.struck) {
      attempt.check_tolerated();
    }
    outcome.left = attempt.check_what_is_left();
    attempt.check_found(!good, good);
    attempt.check_next_try(undisturbed.heights);
    attempt.rig().start();
    attempt.check_model("after another start");
    attempt.check_all_can_go();
  } catch (std::exception const& error) {
    if (outcome.target.empty()) outcome.target = attempt.target();  // what it waits for for ever
    throw std::runtime_error(outcome.target + ": " + error.what());
  }
  return outcome;
}

}  // namespace snapclone::test
