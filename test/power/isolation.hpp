// SPDX-License-Identifier: Apache-2.0
#pragma once

// The tests mount, and they boot machines: in a mount namespace of their own, which ends with their
// last process.
namespace snapclone::test {

// To be called once, before anything else here.
void isolate();

// For a process that must outlive the namespace.
void leave_isolation();

// From now on the namespace shows another boot ID.
void begin_a_boot();

}  // namespace snapclone::test
