// SPDX-License-Identifier: Apache-2.0
#include "fault/scenario.hpp"

namespace snapclone::test {
namespace {

using Steps = std::vector<Step>;

Step create(std::string const& name, volume::RawOptions const& options = {}) {
  return {Step::Verb::create, name, "", options};
}
Step snapshot(std::string const& source, std::string const& name, volume::RawOptions more = {}) {
  more["snapshot-of"] = source;
  return create(name, more);
}
Step clone(std::string const& source, std::string const& name, volume::RawOptions more = {}) {
  more["clone-of"] = source;
  return create(name, more);
}
Step remove(std::string const& name) { return {Step::Verb::remove, name, "", {}}; }
Step mount(std::string const& name, std::string const& id) {
  return {Step::Verb::mount, name, id, {}};
}
Step unmount(std::string const& name, std::string const& id) {
  return {Step::Verb::unmount, name, id, {}};
}
Step fill(std::string const& name, std::string const& id) {
  return {Step::Verb::fill, name, id, {}};
}
Step change(std::string const& name, std::string const& id) {
  return {Step::Verb::change, name, id, {}};
}
Step raise(std::string const& name) { return {Step::Verb::raise, name, "", {}}; }
Step litter() { return {Step::Verb::litter, "", "", {}}; }
Step detach() { return {Step::Verb::detach, "", "", {}}; }
Step enlarge() { return {Step::Verb::enlarge, "", "", {}}; }
Step start() { return {}; }

Steps operator+(Steps all, Steps const& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// The volume db with a snapshot, s1, that it has changed since.
Steps base() {
  return {create("db"),         mount("db", "w"), fill("db", "w"),   unmount("db", "w"),
          snapshot("db", "s1"), mount("db", "w"), change("db", "w"), unmount("db", "w")};
}
Steps with_clone() { return base() + Steps{mount("s1", "c"), change("s1", "c")}; }
Steps in_use() {
  return with_clone() + Steps{mount("s1", "c"), mount("db", "w"), mount("db", "v")};
}

std::vector<Scenario> all() {
  return {
      {"Create", {}, create("db")},
      {"Create snapshot-of an idle volume", base(), snapshot("db", "s2")},
      {"Create snapshot-of a mounted volume", base() + Steps{mount("db", "w")},
       snapshot("db", "s2", {{"live", "true"}})},
      {"Create snapshot-of a snapshot", base(), snapshot("s1", "s2")},
      {"Create snapshot-of a live clone", with_clone(), snapshot("s1@c", "s2")},
      {"Create snapshot-of 50 layers", base() + Steps{raise("db")}, snapshot("db", "s2"), true},
      {"Create clone-of an idle volume", base(), clone("db", "dev")},
      {"Create clone-of a snapshot", base(), clone("s1", "dev")},
      {"Create clone-of a live clone", with_clone(), clone("s1@c", "dev")},
      {"Create with medium=memory", base(),
       snapshot("s1", "s2", {{"medium", "memory"}, {"size", "1m"}})},
      {"Mount of a snapshot", base(), mount("s1", "c")},
      {"nested Mount of a snapshot", with_clone(), mount("s1", "c")},
      {"Mount of a snapshot with access=ro",
       base() + Steps{snapshot("s1", "s2", {{"access", "ro"}})}, mount("s2", "c")},
      {"Mount of a snapshot with medium=memory",
       base() + Steps{snapshot("s1", "s2", {{"medium", "memory"}, {"size", "1m"}})},
       mount("s2", "c")},
      {"Mount of a volume", base(), mount("db", "w")},
      {"second Mount of a volume", base() + Steps{mount("db", "w")}, mount("db", "v")},
      {"Unmount of a clone", with_clone(), unmount("s1", "c")},
      {"nested Unmount of a clone", in_use(), unmount("s1", "c")},
      {"Unmount of a clone in memory",
       base() + Steps{snapshot("s1", "s2", {{"medium", "memory"}, {"size", "1m"}}),
                      mount("s2", "c"), change("s2", "c")},
       unmount("s2", "c")},
      {"Unmount of a volume", base() + Steps{mount("db", "w")}, unmount("db", "w")},
      {"Unmount of a volume that is mounted twice", in_use(), unmount("db", "v")},
      {"Remove of a snapshot", base() + Steps{clone("s1", "dev")}, remove("s1")},
      {"Remove of a volume", base(), remove("db")},
      {"start after a crash", in_use() + Steps{litter()}, start()},
      {"first start", {}, start()},
      {"start that makes the image", {}, start(), false, true},
      {"start that attaches the image", base() + Steps{detach()}, start(), false, true},
      {"start that finds the image mounted", in_use() + Steps{litter()}, start(), false, true},
      {"start that enlarges the image", base() + Steps{enlarge()}, start(), false, true},
  };
}

}  // namespace

std::vector<Scenario> const& scenarios() {
  static std::vector<Scenario> const every = all();
  return every;
}

}  // namespace snapclone::test
