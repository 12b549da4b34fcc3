// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

// What the fuzz targets share. A target takes any bytes at all and returns if what it states holds
// for them; otherwise it throws, whatever that may be.
namespace snapclone::fuzz {

void requests(std::string_view input);
void options(std::string_view input);
void targets(std::string_view input);
void records(std::string_view input);
void formats(std::string_view input);
void superblocks(std::string_view input);

struct FuzzTarget {
  std::string_view name;  // of its directory in corpus/, too
  void (*check)(std::string_view input);
};

inline constexpr FuzzTarget kFuzzTargets[] = {{"requests", requests}, {"options", options},
                                              {"targets", targets},   {"records", records},
                                              {"formats", formats},   {"superblocks", superblocks}};

inline void require(bool holds, std::string const& property) {
  if (!holds) throw std::logic_error("does not hold: " + property);
}

// For a person to read, on a terminal: not endless, and nothing in it that a terminal acts on.
inline void require_sentence(std::string_view text) {
  auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  require(!text.empty() && text.size() < 1000, "a sentence is neither empty nor endless");
  require(std::none_of(text.begin(), text.end(), is_control), "a sentence has no control bytes");
}

inline void require_component(std::string_view name) {
  require(!name.empty() && name.size() <= 255 && name != "." && name != ".." &&
              name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos,
          "a name is one component of a path");
}

// Makes values of the input, from its beginning; where it ends, they are the smallest there are.
class Bytes {
 public:
  explicit Bytes(std::string_view input) : left_(input) {}

  std::size_t below(std::size_t limit) {
    if (left_.empty()) return 0;
    auto byte = static_cast<unsigned char>(left_.front());
    left_.remove_prefix(1);
    return byte % limit;
  }
  bool flag() { return below(2) == 1; }
  std::string text(std::string_view alphabet, std::size_t shortest, std::size_t longest) {
    std::string made(shortest + below(longest - shortest + 1), alphabet.front());
    for (char& c : made) c = alphabet[below(alphabet.size())];
    return made;
  }

 private:
  std::string_view left_;
};

}  // namespace snapclone::fuzz
