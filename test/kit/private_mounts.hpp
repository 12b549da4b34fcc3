// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace snapclone::test {

// Moves the process to a mount namespace of its own, so that nothing can stay behind on the
// machine: with the last process in it the namespace goes, and every mount with it. Also sets what
// the plugin runs with: umask 0; and only errors are logged. Throws if the process is not root's.
void make_mounts_private();

}  // namespace snapclone::test
