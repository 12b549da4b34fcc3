// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/filesystem/path.hpp>

#include <string>
#include <utility>
#include <vector>

namespace snapclone::bench {

namespace fs = boost::filesystem;

// What identifies a mount to the plugin, as the engine makes it: 64 hexadecimal digits.
std::string new_mount_id();

// One connection to a plugin, kept open as the engine does, for one request at a time. Throws
// std::runtime_error with the plugin's sentence if it answers with an error. For one thread.
class Client {
 public:
  explicit Client(fs::path const& socket);

  // The answer to VolumeDriver.<verb>, as it came.
  std::string call(std::string const& verb, std::string const& body);

  using Options = std::vector<std::pair<std::string, std::string>>;
  void create(std::string const& name, Options const& options = {});
  void remove(std::string const& name);
  void get(std::string const& name);
  fs::path mount(std::string const& name, std::string const& id);
  void unmount(std::string const& name, std::string const& id);

  // The same, and how many microseconds it took. The engine asks Get before each of them: so does
  // this, outside the time.
  double timed_mount(std::string const& name, std::string const& id);
  double timed_unmount(std::string const& name, std::string const& id);

 private:
  boost::asio::io_context io_;
  boost::asio::local::stream_protocol::socket socket_{io_};
  boost::beast::flat_buffer buffer_;
};

}  // namespace snapclone::bench
