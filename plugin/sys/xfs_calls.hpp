// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <sys/ioctl.h>

// ioctl(2) of xfs, for which the kernel has no header for programs.
namespace snapclone::sys {

// XFS_IOC_SET_RESBLKS and XFS_IOC_GET_RESBLKS: blocks that xfs offers to nobody. Both answer with
// what is then so. The first changes only the number `blocks`, and moves into or out of the reserve
// what that changes by, as far as there is free space.
struct XfsReserve {
  std::uint64_t blocks;     // wanted; what is freed fills the reserve up to that
  std::uint64_t available;  // in the reserve
};
inline constexpr unsigned long kXfsSetReserve = _IOWR('X', 114, XfsReserve);
inline constexpr unsigned long kXfsGetReserve = _IOR('X', 115, XfsReserve);

}  // namespace snapclone::sys
