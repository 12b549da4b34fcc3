// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kit/client.hpp"

#include <boost/filesystem/path.hpp>
#include <boost/json.hpp>

#include <map>
#include <optional>
#include <string>

namespace snapclone::test {

namespace fs = boost::filesystem;
namespace json = boost::json;

struct Answer {
  unsigned status = 0;  // 0: the connection was closed instead
  json::object body = {};

  bool came() const { return status != 0; }
  bool ok() const { return status == 200; }
  std::string text(char const* member) const;  // "" if it has none
  std::string error() const { return text("Err"); }
};

// Speaks the verbs of the volume protocol over one connection, which it keeps as the engine does,
// and makes anew when it was closed. For one thread at a time.
class Caller {
 public:
  explicit Caller(fs::path socket, Client::Waiter waiter = {});

  // Connects if it is not connected. False if nobody listens.
  bool connect();

  // Throw std::runtime_error if nobody listens.
  Answer ask(std::string const& verb, json::object const& body);

  // Throw std::runtime_error with the plugin's sentence if the answer is an error, too.
  Answer must(std::string const& verb, json::object const& body);
  std::string call(std::string const& verb, std::string const& body);  // the answer's bytes
  using Options = std::map<std::string, std::string>;
  void create(std::string const& name, Options const& options = {});
  void remove(std::string const& name);
  void get(std::string const& name);
  json::object status(std::string const& name);    // what inspect shows
  std::map<std::string, json::object> statuses();  // of everything in List
  fs::path mount(std::string const& name, std::string const& id);
  void unmount(std::string const& name, std::string const& id);

  // The two halves of ask(), for a client that does not wait for the answer.
  void send(std::string const& verb, json::object const& body);
  Answer receive();
  bool answered() const { return !client_->is_silent(0ms); }
  void hang_up() { client_.reset(); }

  // Bytes that may be no request at all.
  Answer send_bytes(std::string const& bytes);

 private:
  void send_raw(std::string const& bytes);

  fs::path const socket_;
  Client::Waiter const waiter_;
  std::optional<Client> client_;
};

}  // namespace snapclone::test
