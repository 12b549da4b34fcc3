// SPDX-License-Identifier: Apache-2.0
#include "image/xfs_layout.hpp"

#include <boost/crc.hpp>

namespace snapclone::image::layout {

Checksum checksum_of(char const* bytes, std::size_t size, std::size_t checksum_at) {
  constexpr Checksum zero{};
  std::size_t const after = checksum_at + zero.size();
  boost::crc_optimal<32, 0x1edc6f41, 0xffffffff, 0xffffffff, true, true> crc;  // Castagnoli's
  crc.process_bytes(bytes, checksum_at);
  crc.process_bytes(zero.data(), zero.size());
  crc.process_bytes(bytes + after, size - after);
  std::uint32_t const sum = crc.checksum();
  return {static_cast<std::uint8_t>(sum), static_cast<std::uint8_t>(sum >> 8U),
          static_cast<std::uint8_t>(sum >> 16U), static_cast<std::uint8_t>(sum >> 24U)};
}

}  // namespace snapclone::image::layout
