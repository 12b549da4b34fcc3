// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

// The interface between a Server and the code above it, and the Server's limits.
namespace snapclone::api {

struct Reply {
  unsigned status = 200;
  std::string body = {};
  bool hang_up = false;  // close the connection without an answer

  // Called on the io thread, once, if the client had gone before the reply was written, if writing
  // failed, or if the client closed the connection without having read it. A client that has only
  // finished sending is not gone. Must not block or throw.
  std::function<void()> undelivered = {};
};

// To be called exactly once, from any thread, also before the handler returns.
using Respond = std::function<void(Reply)>;

// Called on the io thread with the target and body of each POST; must not block. If it throws, the
// connection is closed.
using Handler = std::function<void(std::string target, std::string body, Respond respond)>;

struct Limits {
  std::size_t connections = 256;
  std::uint32_t header_bytes = 8 * 1024;
  std::uint64_t body_bytes = 64 * 1024;
  std::chrono::milliseconds request_time{10'000};  // from a request's first byte to its last
  std::chrono::milliseconds write_time{10'000};    // for a whole reply
};

}  // namespace snapclone::api
