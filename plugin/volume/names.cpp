// SPDX-License-Identifier: Apache-2.0
#include "volume/names.hpp"

#include "sys/text.hpp"
#include "volume/refusal.hpp"

#include <algorithm>

namespace snapclone::volume {
namespace {

constexpr std::size_t kLongestName = 200;
constexpr std::size_t kLongestMountId = 128;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name_character(char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; }

bool has_name_characters_only(std::string const& text) {
  return std::all_of(text.begin(), text.end(), is_name_character);
}

}  // namespace

bool VolumeName::allows(std::string const& text) {
  return text.size() >= 2 && text.size() <= kLongestName && is_alphanumeric(text.front()) &&
         has_name_characters_only(text);
}

VolumeName::VolumeName(std::string text) : text_(std::move(text)) {
  if (allows(text_)) return;
  throw Refusal("volume name \"" + sys::excerpt(text_) +
                "\" is not allowed: use 2 to 200 letters, digits, \"_\", \".\" or \"-\", beginning "
                "with a letter or digit");
}

bool MountId::allows_beginning(std::string const& text) {
  return text.size() <= kLongestMountId && has_name_characters_only(text);
}

MountId::MountId(std::string text) : text_(std::move(text)) {
  if (!text_.empty() && allows_beginning(text_)) return;
  throw Refusal("mount ID \"" + sys::excerpt(text_) +
                "\" is not allowed: use 1 to 128 letters, digits, \"_\", \".\" or \"-\"");
}

}  // namespace snapclone::volume
