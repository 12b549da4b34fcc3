// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace snapclone::sys {

// The kernel's random ID of this boot (/proc/sys/kernel/random/boot_id). What is keyed by it
// cannot be in use after a reboot.
std::string boot_id();

// Eight characters out of a-z and 2-7, from the kernel's random source: 40 bits.
std::string random_id();

// Now, UTC, RFC 3339 with nanoseconds: "2026-01-31T12:00:00.123456789Z". Sorts as text.
std::string now_rfc3339();

// Whole seconds since such a moment; 0 if it lies ahead or is none.
std::int64_t seconds_since(std::string const& rfc3339);

// Whether the text is a time as now_rfc3339() writes it, with or without a fraction.
bool is_rfc3339(std::string const& text);

}  // namespace snapclone::sys
