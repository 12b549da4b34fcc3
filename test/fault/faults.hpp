// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/rig.hpp"

#include <map>
#include <string>
#include <vector>

// One fault in one scenario: everything before is done anew, the fault strikes, and what is
// promised is checked. What does not hold is thrown.
namespace snapclone::test {

// What happens without a fault.
struct Undisturbed {
  std::vector<Tracer::Seen> calls;
  std::map<std::string, std::size_t> heights;
};
// `looks`: calls that change nothing are among them. In a scenario that is about the image, calls
// that are about something else have no effect.
Undisturbed observe(Scenario const& scenario, Ground const& ground, fs::path const& directory,
                    bool looks);

struct Kill {
  std::size_t at = 0;     // before which call; one more than there are: when all is done
  bool engine = false;    // the engine ends as well, and with it all mounts
  bool together = false;  // the background goes on meanwhile; else it begins after the answer
  std::size_t again = 0;  // a second kill, before this call of the next start
};
// False if there is no such call; what is promised holds then as well.
bool try_kill(Scenario const& scenario, Ground const& ground, fs::path const& directory,
              Kill const& kill, Undisturbed const& undisturbed);

struct Failure {
  std::size_t at = 0;     // which call, with looks
  std::size_t error = 0;  // which of the errors that it can have, from 0
  bool patient = false;   // see the background try again what it could not do
};
struct Outcome {
  std::string target;    // the call and its error
  bool struck = false;   // false if there is no such call
  bool refused = false;  // answered with an error
  std::string left;      // what was left over until the next start
};
Outcome try_failure(Scenario const& scenario, Ground const& ground, fs::path const& directory,
                    Failure const& failure, Undisturbed const& undisturbed);

}  // namespace snapclone::test
