// SPDX-License-Identifier: Apache-2.0
#include "fault/faults.hpp"

#include "fault/trial.hpp"

#include <stdexcept>

namespace snapclone::test {

Undisturbed observe(Scenario const& scenario, Ground const& ground, fs::path const& directory,
                    bool looks) {
  Trial trial(scenario, ground, directory, looks ? Watching::looks : Watching::changes);
  trial.strike({}, {.describe = true});
  if (!trial.answer().good()) broken("it fails without a fault", trial.answer().sentence());
  if (!trial.left().empty()) broken("something is left over without a fault", trial.left());
  Undisturbed undisturbed{trial.rig().program->tracer().seen(), trial.rig().heights()};
  trial.check_found(false, true);
  trial.check_all_can_go();
  return undisturbed;
}

bool try_kill(Scenario const& scenario, Ground const& ground, fs::path const& directory,
              Kill const& kill, Undisturbed const& undisturbed) {
  Trial trial(scenario, ground, directory, Watching::changes);
  Trial::Manner const manner{.together = kill.together};
  bool struck = trial.strike({kill.at, std::nullopt}, manner);
  std::string where = "killed before " + trial.target();
  try {
    bool acknowledged = trial.answer().good();
    if (kill.engine) trial.engine_ends();
    if (kill.again != 0) {
      struck = trial.strike_start({kill.again, std::nullopt}, manner);
      where += ", and again before " + trial.target();
    }
    trial.rig().start();
    trial.check_found(!acknowledged, true);
    trial.check_nothing_is_left("after the start");
    trial.check_next_try(undisturbed.heights);
    trial.check_all_can_go();
  } catch (std::exception const& error) {
    throw std::runtime_error(where + (kill.engine ? ", and the engine ended" : "") + ": " +
                             error.what());
  }
  return struck;
}

Outcome try_failure(Scenario const& scenario, Ground const& ground, fs::path const& directory,
                    Failure const& failure, Undisturbed const& undisturbed) {
  Trial trial(scenario, ground, directory, Watching::looks);
  Outcome outcome;
  try {
    outcome.struck = trial.strike({failure.at, failure.error}, {.patient = failure.patient});
    outcome.target = trial.target() + " failed with " + trial.error();
    bool good = trial.answer().good();
    outcome.refused = !good;
    if (!trial.answer().came()) {
      trial.check_start_failed();
      trial.rig().start();
    } else if (!good) {
      trial.check_sentence();
    } else if (outcome.struck) {
      trial.check_tolerated();
    }
    outcome.left = trial.check_what_is_left();
    trial.check_found(!good, good);
    trial.check_next_try(undisturbed.heights);
    trial.rig().start();
    trial.check_model("after another start");
    trial.check_all_can_go();
  } catch (std::exception const& error) {
    if (outcome.target.empty()) outcome.target = trial.target();  // what it waits for for ever
    throw std::runtime_error(outcome.target + ": " + error.what());
  }
  return outcome;
}

}  // namespace snapclone::test
