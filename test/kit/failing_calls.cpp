// SPDX-License-Identifier: Apache-2.0
#include "kit/failing_calls.hpp"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <system_error>

#include <seccomp.h>

namespace snapclone::test {
namespace {

void check(int result) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), "seccomp");
}

void act(std::map<std::string, std::uint32_t> const& actions) {
  std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
  if (!filter) check(-ENOMEM);
  for (auto const& [name, action] : actions) {
    check(seccomp_rule_add(filter.get(), action, seccomp_syscall_resolve_name(name.c_str()), 0));
  }
  check(seccomp_load(filter.get()));
}

}  // namespace

void fail_calls(std::map<std::string, int> const& errors) {
  std::map<std::string, std::uint32_t> actions;
  for (auto const& [name, code] : errors) {
    actions[name] = SCMP_ACT_ERRNO(static_cast<unsigned>(code));
  }
  act(actions);
}

void die_at(std::string const& call) { act({{call, SCMP_ACT_KILL_PROCESS}}); }

}  // namespace snapclone::test
