// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace snapclone::sys {

// The text with the bytes of every control character written out, as \xNN: containers choose names
// of files, and sentences with them end in logs and on terminals. Those are the control characters
// of ASCII and Unicode, and what changes the direction of text.
std::string printable(std::string_view text);

}  // namespace snapclone::sys
