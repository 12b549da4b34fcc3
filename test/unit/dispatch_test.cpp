// SPDX-License-Identifier: Apache-2.0
#include "api/dispatch.hpp"

#include "kit/world.hpp"

#include <boost/json.hpp>

#include <optional>

namespace snapclone::test {
namespace {

namespace json = boost::json;

// Dispatch without threads: what the Store would run on its own runs when the test says so.
struct Dispatching : World {
  api::Metrics metrics;
  api::Dispatch dispatch{process->store, metrics};
  std::optional<api::Reply> reply;

  void send(std::string const& target, std::string const& body) {
    reply.reset();
    keeps_jobs = true;
    dispatch.handle(target, body, [this](api::Reply r) { reply = std::move(r); });
    keeps_jobs = false;
  }
  json::object ask(std::string const& verb, std::string const& body) {
    send("/VolumeDriver." + verb, body);
    run_jobs();
    return json::parse(reply.value().body).as_object();
  }
  std::string error(std::string const& verb, std::string const& body) {
    std::string sentence(ask(verb, body).at("Err").as_string());
    BOOST_TEST(reply->status == (sentence.empty() ? 200U : 500U));
    return sentence;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(dispatch, Dispatching)

BOOST_AUTO_TEST_CASE(before_recovery_has_ended_only_the_handshake_is_answered) {
  process.reset();
  volume::Store closed(pool::Pool(pool()), {disk.path / "mnt", "overlay"},
                       [](volume::Lane, std::function<void()> const& job) { job(); });
  api::Dispatch waiting(closed, metrics);
  auto ask_waiting = [&](std::string const& target) {
    reply.reset();
    waiting.handle(target, "{}", [this](api::Reply r) { reply = std::move(r); });
  };
  ask_waiting("/Plugin.Activate");
  BOOST_TEST(contains(reply.value().body, "VolumeDriver"));
  ask_waiting("/VolumeDriver.Capabilities");
  BOOST_TEST(contains(reply.value().body, "local"));
  ask_waiting("/VolumeDriver.List");
  BOOST_TEST(!reply.has_value());
  closed.open();
  BOOST_TEST(contains(reply.value().body, "\"Volumes\":[]"));
}

BOOST_AUTO_TEST_CASE(an_unknown_target_is_not_found) {
  send("/VolumeDriver.Format", "{}");
  BOOST_TEST(reply.value().status == 404U);
}

BOOST_AUTO_TEST_CASE(empty_bodies_are_errors_but_for_unmount_and_get_hangs_up) {
  for (auto const* verb : {"Create", "Mount", "Remove", "Path"}) {
    BOOST_TEST(contains(error(verb, ""), std::string(verb) + ": the request has no body"));
  }
  BOOST_TEST(error("Unmount", "") == "");
  send("/VolumeDriver.Get", "");
  BOOST_TEST(reply.value().hang_up);
}

BOOST_AUTO_TEST_CASE(a_mount_answers_with_its_path_and_is_undone_if_nobody_hears_it) {
  error("Create", R"({"Name":"db","Opts":null})");
  error("Create", R"({"Name":"seed","Opts":{"snapshot-of":"db"}})");
  std::string path(ask("Mount", R"({"Name":"seed","ID":"id"})").at("Mountpoint").as_string());
  BOOST_TEST(sys::is_mounted(path));
  reply->undelivered();
  run_jobs();
  BOOST_TEST(!fs::exists(path));
  BOOST_TEST(live_clones("seed") == 0U);
}

BOOST_AUTO_TEST_CASE(a_nested_mount_that_nobody_heard_leaves_the_first_one) {
  error("Create", R"({"Name":"db"})");
  error("Create", R"({"Name":"seed","Opts":{"snapshot-of":"db"}})");
  std::string path(ask("Mount", R"({"Name":"seed","ID":"id"})").at("Mountpoint").as_string());
  ask("Mount", R"({"Name":"seed","ID":"id"})");
  BOOST_TEST(!reply->undelivered);  // engine 20.10 sends the Unmount itself
  BOOST_TEST(sys::is_mounted(path));
}

BOOST_AUTO_TEST_CASE(a_mount_that_waited_while_its_name_changed_kind_still_does_right) {
  create_with("db", "file", "content");
  snapshot("db", "name");
  // It takes the turn of a snapshot's Mount; before it runs the name becomes a volume's.
  send("/VolumeDriver.Mount", R"({"Name":"name","ID":"id"})");
  remove("name");
  create("name");
  run_jobs();
  BOOST_TEST(contains(reply.value().body, "/volumes/name"));
}

BOOST_AUTO_TEST_CASE(get_tells_a_person_what_the_volume_is) {
  error("Create", R"({"Name":"db"})");
  error("Create", R"({"Name":"seed","Opts":{"snapshot-of":"db","target":"/data"}})");
  for (int i = 10; i < 35; ++i) {
    error("Mount", R"({"Name":"seed","ID":"id)" + std::to_string(i) + "\"}");
  }
  json::object volume = ask("Get", R"({"Name":"seed"})").at("Volume").as_object();
  BOOST_TEST(volume.at("Mountpoint").as_string() == "");
  json::object const& status = volume.at("Status").as_object();
  BOOST_TEST(status.at("kind").as_string() == "snapshot");
  BOOST_TEST(status.at("source").as_string() == "db");
  BOOST_TEST(status.at("target").as_string() == "/data");
  BOOST_TEST(status.at("backend").as_string() == "overlay");
  BOOST_TEST(status.at("clones").to_number<int>() == 25);
  json::array const& newest = status.at("newest_clones").as_array();
  BOOST_TEST(newest.size() == 20U);
  BOOST_TEST(newest.at(0).as_object().at("mount").as_string() == "id34");
}

BOOST_AUTO_TEST_CASE(the_mountpoint_of_a_volume_is_shown_while_it_is_mounted) {
  error("Create", R"({"Name":"db"})");
  auto shown = [&] {
    return std::string(ask("Path", R"({"Name":"db"})").at("Mountpoint").as_string());
  };
  BOOST_TEST(shown() == "");
  std::string path(ask("Mount", R"({"Name":"db","ID":"id"})").at("Mountpoint").as_string());
  BOOST_TEST(shown() == path);
}

BOOST_AUTO_TEST_CASE(get_succeeds_for_a_volume_whose_record_cannot_be_read) {
  create("db");
  write(pool() / "volumes" / "db" / "volume.json", "{");
  restart();
  api::Dispatch fresh(process->store, metrics);
  fresh.handle("/VolumeDriver.Get", R"({"Name":"db"})",
               [this](api::Reply r) { reply = std::move(r); });
  BOOST_TEST(reply.value().status == 200U);
  BOOST_TEST(contains(reply->body, "cannot be used"));
  fresh.handle("/VolumeDriver.List", "{}", [this](api::Reply r) { reply = std::move(r); });
  BOOST_TEST(contains(reply->body, "\"db\""));
}

BOOST_AUTO_TEST_CASE(bad_requests_get_their_sentence_and_change_nothing) {
  BOOST_TEST(contains(error("Create", R"({"Name":"../x"})"), "is not allowed"));
  BOOST_TEST(contains(error("Create", R"({"Name":""})"), "is not allowed"));
  BOOST_TEST(contains(error("Create", R"({"Name":"db","Opts":{"foo":"1"}})"), "unknown option"));
  BOOST_TEST(contains(error("Mount", R"({"Name":"nope","ID":"id"})"), "no volume \"nope\""));
  BOOST_TEST(contains(error("Remove", R"({"Name":"nope"})"), "no volume \"nope\""));
  BOOST_TEST(contains(error("Get", R"({"Name":"nope"})"), "no volume \"nope\""));
  BOOST_TEST(process->catalogue.all().empty());
  BOOST_TEST(entries(pool() / "staging") == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
