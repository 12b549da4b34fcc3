// SPDX-License-Identifier: Apache-2.0
#include "bench/client.hpp"

#include "bench/samples.hpp"

#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include <random>
#include <stdexcept>

namespace snapclone::bench {

namespace http = boost::beast::http;
namespace json = boost::json;

std::string new_mount_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::string id;
  while (id.size() < 64) id += "0123456789abcdef"[random() % 16];
  return id;
}

Client::Client(fs::path const& socket) {
  socket_.connect(boost::asio::local::stream_protocol::endpoint(socket.string()));
}

std::string Client::call(std::string const& verb, std::string const& body) {
  http::request<http::string_body> request(http::verb::post, "/VolumeDriver." + verb, 11, body);
  request.set(http::field::host, "plugin");
  request.prepare_payload();
  http::write(socket_, request);
  http::response_parser<http::string_body> answer;
  answer.body_limit(64U << 20U);
  http::read(socket_, buffer_, answer);
  std::string text = std::move(answer.get().body());
  if (answer.get().result() != http::status::ok) throw std::runtime_error(verb + ": " + text);
  return text;
}

void Client::create(std::string const& name, Options const& options) {
  json::object chosen;
  for (auto const& [key, value] : options) chosen[key] = value;
  call("Create", json::serialize(json::object{{"Name", name}, {"Opts", chosen}}));
}

void Client::remove(std::string const& name) {
  call("Remove", json::serialize(json::object{{"Name", name}}));
}

void Client::get(std::string const& name) { call("Get", R"({"Name":")" + name + "\"}"); }

fs::path Client::mount(std::string const& name, std::string const& id) {
  std::string answer = call("Mount", R"({"Name":")" + name + R"(","ID":")" + id + R"("})");
  return json::value_to<std::string>(json::parse(answer).at("Mountpoint"));
}

void Client::unmount(std::string const& name, std::string const& id) {
  call("Unmount", R"({"Name":")" + name + R"(","ID":")" + id + R"("})");
}

double Client::timed_mount(std::string const& name, std::string const& id) {
  get(name);
  return us([&] { mount(name, id); });
}

double Client::timed_unmount(std::string const& name, std::string const& id) {
  get(name);
  return us([&] { unmount(name, id); });
}

}  // namespace snapclone::bench
