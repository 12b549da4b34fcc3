// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <thread>

namespace snapclone::bench {

// A thread at the other end of a unix socket that answers every byte with `answer` bytes: what an
// exchange costs if nobody thinks about the answer.
class Echo {
 public:
  explicit Echo(std::size_t answer);
  ~Echo();
  Echo(Echo const&) = delete;
  Echo& operator=(Echo const&) = delete;

  void exchange();

 private:
  std::size_t const answer_;
  int ends_[2] = {-1, -1};
  std::thread thread_;
};

}  // namespace snapclone::bench
