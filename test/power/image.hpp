// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace snapclone::test {

// What is on a disk. Never written blocks are zero, and copies share what they have in common. Not
// safe from two threads at once.
class Image {
 public:
  // What a write that the power cut can tear apart, as on disks with physical sectors of 4 KiB.
  static constexpr std::uint64_t kBlock = 4096;

  explicit Image(std::uint64_t size) : size_(size) {}

  std::uint64_t size() const { return size_; }

  std::string read(std::uint64_t at, std::uint64_t length) const {
    std::string bytes;
    while (bytes.size() < length) {
      std::uint64_t from = (at + bytes.size()) % kBlock;
      std::uint64_t part = std::min(kBlock - from, length - bytes.size());
      auto block = blocks_.find((at + bytes.size()) / kBlock);
      if (block == blocks_.end()) {
        bytes.append(part, '\0');
      } else {
        bytes.append(*block->second, from, part);
      }
    }
    return bytes;
  }

  void write(std::uint64_t at, std::string_view bytes) {
    while (!bytes.empty()) {
      std::uint64_t from = at % kBlock;
      std::uint64_t part = std::min<std::uint64_t>(kBlock - from, bytes.size());
      auto& block = blocks_[at / kBlock];
      std::string content = block ? *block : std::string(kBlock, '\0');
      content.replace(from, part, bytes.substr(0, part));
      block = std::make_shared<std::string const>(std::move(content));
      at += part;
      bytes.remove_prefix(part);
    }
  }

  void zero(std::uint64_t at, std::uint64_t length) {
    std::string const zeros(kBlock, '\0');
    while (length > 0) {
      std::uint64_t part = std::min(kBlock - at % kBlock, length);
      if (part == kBlock) {
        blocks_.erase(at / kBlock);
      } else {
        write(at, std::string_view(zeros).substr(0, part));
      }
      at += part;
      length -= part;
    }
  }

 private:
  std::uint64_t const size_;
  std::map<std::uint64_t, std::shared_ptr<std::string const>> blocks_;
};

}  // namespace snapclone::test
