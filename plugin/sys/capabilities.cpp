// SPDX-License-Identifier: Apache-2.0
#include "sys/capabilities.hpp"

#include "sys/error.hpp"

#include <stdexcept>
#include <string>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace snapclone::sys {
namespace {

// Two words of 32 capabilities each.
struct Sets {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3] = {};
};

// glibc has no wrappers for capget(2) and capset(2).
std::uint64_t permitted() {
  Sets now;
  if (syscall(SYS_capget, &now.header, now.words) != 0) fail("read", "the capabilities");
  return now.words[0].permitted | std::uint64_t{now.words[1].permitted} << 32U;
}

// Sets permitted and effective. Inheritable becomes empty, and ambient with it.
void set_permitted(std::uint64_t set) {
  Sets wanted;
  for (auto& word : wanted.words) {
    word.permitted = word.effective = static_cast<std::uint32_t>(set);
    set >>= 32U;
  }
  if (syscall(SYS_capset, &wanted.header, wanted.words) != 0) fail("set", "the capabilities");
}

bool has(std::uint64_t set, unsigned number) { return (set >> number & 1U) != 0; }

}  // namespace

std::vector<Capability> const& needed_capabilities() {
  static std::vector<Capability> const all = {
      {CAP_CHOWN, "CAP_CHOWN", "give files their owners"},
      {CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE", "write and delete where modes allow nobody to"},
      {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "find out whether anyone uses a tree"},
      {CAP_FOWNER, "CAP_FOWNER", "set modes, times and ACLs of files of others"},
      {CAP_FSETID, "CAP_FSETID", "keep set-group-ID bits"},
      {CAP_MKNOD, "CAP_MKNOD", "make device files"},
      {CAP_SETFCAP, "CAP_SETFCAP", "give files their capabilities"},
      {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "mount"},
  };
  return all;
}

void check_needed_capabilities() {
  std::uint64_t here = permitted();
  std::string missing;
  for (auto const& [number, name, use] : needed_capabilities()) {
    if (has(here, number)) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(name) + " (to " + use + ")";
  }
  if (missing.empty()) return;
  throw std::runtime_error("it lacks capabilities that it needs: " + missing +
                           ". Start it as the managed plugin, or as root without limits");
}

void keep_needed_capabilities() {
  std::uint64_t needed = 0;
  for (auto const& capability : needed_capabilities()) {
    needed |= std::uint64_t{1} << capability.number;
  }
  keep_capabilities(needed);
}

void give_up_capability(unsigned number) {
  set_permitted(permitted() & ~(std::uint64_t{1} << number));
}

void keep_capabilities(std::uint64_t set) {
  // Without CAP_SETPCAP the bounding set stays as it is. It only limits what execve(2) gives, and
  // no_new_privs leaves nothing to give.
  for (unsigned number = 0; prctl(PR_CAPBSET_READ, number) >= 0; ++number) {
    if (has(set, number)) continue;
    if (prctl(PR_CAPBSET_DROP, number) != 0 && errno != EPERM) {
      fail("drop from the bounding set capability", std::to_string(number));
    }
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("set", "no_new_privs");
  set_permitted(permitted() & set);
}

}  // namespace snapclone::sys
