// SPDX-License-Identifier: Apache-2.0
#include "kit/caller.hpp"

#include <stdexcept>

namespace snapclone::test {
namespace {

std::string request(std::string const& verb, std::string const& body) {
  return post("/VolumeDriver." + verb, body);
}

Answer parsed(HttpReply const& reply) {
  return {reply.status, reply.body.empty() ? json::object{} : json::parse(reply.body).as_object()};
}

[[noreturn]] void fail(std::string const& verb, Answer const& answer) {
  throw std::runtime_error(verb + " failed: " + (answer.came() ? answer.error() : "no answer"));
}

std::string mount_body(std::string const& name, std::string const& id) {
  return json::serialize(json::object{{"Name", name}, {"ID", id}});
}

}  // namespace

std::string Answer::text(char const* member) const {
  auto const* found = body.if_contains(member);
  return found == nullptr || !found->is_string() ? "" : std::string(found->get_string());
}

Caller::Caller(fs::path socket, Client::Waiter waiter)
    : socket_(std::move(socket)), waiter_(std::move(waiter)) {}

bool Caller::connect() {
  if (client_) return true;
  Client client;
  if (!client.try_dial(socket_.string())) return false;
  client.wait_with(waiter_);
  client_ = std::move(client);
  return true;
}

void Caller::send_raw(std::string const& bytes) {
  if (!connect()) throw std::runtime_error("nobody listens at " + socket_.string());
  client_->send(bytes);
}

void Caller::send(std::string const& verb, json::object const& body) {
  send_raw(request(verb, json::serialize(body)));
}

Answer Caller::receive() {
  HttpReply reply = client_->receive();
  if (reply.status == 0) hang_up();
  return parsed(reply);
}

Answer Caller::ask(std::string const& verb, json::object const& body) {
  send(verb, body);
  return receive();
}

Answer Caller::send_bytes(std::string const& bytes) {
  send_raw(bytes);
  return receive();
}

std::string Caller::call(std::string const& verb, std::string const& body) {
  send_raw(request(verb, body));
  HttpReply reply = client_->receive();
  if (reply.status == 200) return std::move(reply.body);
  hang_up();
  fail(verb, parsed(reply));
}

Answer Caller::must(std::string const& verb, json::object const& body) {
  Answer answer = ask(verb, body);
  if (!answer.ok()) fail(verb, answer);
  return answer;
}

void Caller::create(std::string const& name, Options const& options) {
  call("Create",
       json::serialize(json::object{{"Name", name}, {"Opts", json::value_from(options)}}));
}

void Caller::remove(std::string const& name) {
  call("Remove", json::serialize(json::object{{"Name", name}}));
}

void Caller::get(std::string const& name) {
  call("Get", json::serialize(json::object{{"Name", name}}));
}

json::object Caller::status(std::string const& name) {
  return must("Get", {{"Name", name}}).body.at("Volume").at("Status").as_object();
}

std::map<std::string, json::object> Caller::statuses() {
  std::map<std::string, json::object> all;
  Answer list = must("List", {});
  for (auto const& listed : list.body.at("Volumes").as_array()) {
    std::string name(listed.at("Name").as_string());
    all[name] = status(name);
  }
  return all;
}

fs::path Caller::mount(std::string const& name, std::string const& id) {
  json::value answer = json::parse(call("Mount", mount_body(name, id)));
  return std::string(answer.at("Mountpoint").as_string());
}

void Caller::unmount(std::string const& name, std::string const& id) {
  call("Unmount", mount_body(name, id));
}

}  // namespace snapclone::test
