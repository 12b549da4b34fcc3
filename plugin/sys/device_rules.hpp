// SPDX-License-Identifier: Apache-2.0
#pragma once

// Limits which devices a process may open (the device rules of control groups). Such rules hold
// for a whole group, whatever the capabilities of its processes.
namespace snapclone::sys {

// From now on this process can open no device. Making device files stays allowed. Descriptors and
// mounts that it has go on, and the kernel's own work on them does too.
//
// It makes two control groups below its own, one in the other. The outer one has the rules, and the
// process enters the inner one. A control group namespace that begins there hides every group
// above, and what the container shows of control groups is unmounted. So CAP_SYS_ADMIN alone leads
// out neither with cgroup v1, where the rules are files, nor with v2, where they are a program
// (eBPF) that only bpf(2) can remove. No group that exists is changed, so others are not concerned.
//
// For the first process of a container (PID 1), before it has a second thread and before it gives
// up CAP_SYS_ADMIN or bpf(2). The groups go when the container's group does; a second start in that
// group replaces them.
//
// Throws std::runtime_error with the reason if devices can still be opened, or if the way out is
// not closed. The process works either way.
void give_up_devices();

}  // namespace snapclone::sys
