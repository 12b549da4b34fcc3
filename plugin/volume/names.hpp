// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <string>

// Names that are safe to become one component of a path, or part of a mount option. Checked once,
// when they are made, by a list of what is allowed; values, safe on every thread.
namespace snapclone::volume {

// 2 to 200 letters, digits, "_", "." or "-", beginning with a letter or digit: the characters that
// Docker's local driver allows. NAME_MAX is 255, and temporary files need a prefix.
class VolumeName {
 public:
  // Throws Refusal unless the text is allowed.
  explicit VolumeName(std::string text);
  static bool allows(std::string const& text);

  std::string const& text() const { return text_; }
  auto operator<=>(VolumeName const&) const = default;

 private:
  std::string text_;
};

// The engine's ID of one use of a volume: 1 to 128 letters, digits, "_", "." or "-". Docker's are
// 64 hexadecimal digits.
class MountId {
 public:
  // Throws Refusal unless the text is allowed.
  explicit MountId(std::string text);
  // Whether an ID can begin so. An empty text begins every ID.
  static bool allows_beginning(std::string const& text);

  std::string const& text() const { return text_; }
  // The first 12 characters, as people read and type it.
  std::string short_text() const { return text_.substr(0, 12); }
  auto operator<=>(MountId const&) const = default;

 private:
  std::string text_;
};

}  // namespace snapclone::volume
