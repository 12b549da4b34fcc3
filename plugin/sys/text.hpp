// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace snapclone::sys {

// The text with the bytes of every control character written out, as \xNN: containers choose names
// of files, and sentences with them end in logs and on terminals. Those are the control characters
// of ASCII and Unicode, and what changes the direction of text.
std::string printable(std::string_view text);

// printable(), cut off where a sentence would get too long: for what a user has typed.
std::string excerpt(std::string_view text);

// "1 mount", "2 mounts".
std::string counted(std::size_t number, std::string_view noun);

// The items with a separator between them.
std::string join(std::vector<std::string> const& items, std::string_view separator);

// Parses a number of bytes: at most 18 digits, then at most one of the letters in `units`, in
// either case. With "kmgt" k is 1024, and each letter 1024 times the one before. Returns nothing
// for other text, or if the number does not fit.
std::optional<std::uint64_t> parse_bytes(std::string_view text, std::string_view units);

// "512 MiB", "1.5 GiB", "1 byte": for sentences. Rounded down.
std::string bytes_text(std::uint64_t bytes);

}  // namespace snapclone::sys
