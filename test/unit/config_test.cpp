// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"

#include "kit/privileges.hpp"
#include "sys/log.hpp"

#include <boost/filesystem/operations.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <sched.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

namespace fs = boost::filesystem;

// The environment has these settings while it lives.
class Environment {
 public:
  explicit Environment(std::map<std::string, std::string> settings)
      : settings_(std::move(settings)) {
    for (auto const& [name, value] : settings_) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (auto const& [name, value] : settings_) unsetenv(name.c_str());
  }
  Environment(Environment const&) = delete;
  Environment& operator=(Environment const&) = delete;

 private:
  std::map<std::string, std::string> const settings_;
};

Config read(std::vector<char const*> arguments) {
  arguments.insert(arguments.begin(), {"snapclone", "--socket", "/s", "--pool", "/p"});
  return read_config(static_cast<int>(arguments.size()), arguments.data());
}

// The sentence that the command line is refused with.
std::string refused(std::vector<char const*> const& arguments) {
  try {
    read(arguments);
  } catch (BadValue const& error) {
    return error.what();
  }
  return "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(a_setting_with_an_unknown_value_has_its_default_and_earns_a_warning) {
  Environment environment({{"LOG_LEVEL", "verbose"}, {"METRICS", "yes"}, {"BACKEND", "zfs"}});
  Config config = read({});
  BOOST_TEST(config.log_level == "info");
  BOOST_TEST(config.metrics.empty());
  BOOST_TEST(config.backend == "");
  std::vector<std::string> const warnings = {
      "BACKEND=zfs is not known: it is btrfs, overlay or copy; using the one that fits the pool",
      "LOG_LEVEL=verbose is not known: it is debug, info, warning or error; using info",
      "METRICS=yes is not known: it is on or off; using off"};
  BOOST_TEST(config.warnings == warnings, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_unknown_value_on_the_command_line_is_refused) {
  BOOST_TEST(refused({"--log-level", "verbose"}) ==
             "--log-level verbose is not known: it is debug, info, warning or error");
  BOOST_TEST(refused({"--metrics=yes"}) == "--metrics yes is not known: it is on or off");
  BOOST_TEST(refused({"--backend", "zfs"}) ==
             "--backend zfs is not known: it is btrfs, overlay or copy");
}

BOOST_AUTO_TEST_CASE(a_flag_wins_over_a_setting_known_or_not) {
  Environment environment({{"LOG_LEVEL", "verbose"}, {"METRICS", "on"}, {"BACKEND", "copy"}});
  Config config = read({"--log-level", "debug", "--metrics", "off", "--backend", "btrfs"});
  BOOST_TEST(config.log_level == "debug");
  BOOST_TEST(config.metrics.empty());
  BOOST_TEST(config.backend == "btrfs");
  BOOST_TEST(config.warnings.empty());
}

BOOST_AUTO_TEST_CASE(every_level_that_is_known_here_is_known_to_the_log) {
  for (auto const* level : {"debug", "info", "warning", "error"}) {
    BOOST_TEST(read({"--log-level", level}).log_level == level);
    BOOST_TEST(sys::set_log_level(level));
  }
}

BOOST_AUTO_TEST_CASE(a_relative_path_in_a_directory_that_was_deleted_is_refused_with_a_sentence) {
  fs::path gone = fs::temp_directory_path() / fs::unique_path("snapclone-%%%%%%%%");
  fs::create_directory(gone);
  std::string sentence;
  in_a_thread([&] {
    BOOST_REQUIRE(unshare(CLONE_FS) == 0);  // the other threads keep their directory
    BOOST_REQUIRE(chdir(gone.c_str()) == 0);
    fs::remove(gone);
    sentence = refused({"--mounts", "mnt"});
    BOOST_TEST(read({"--mounts", "/mnt"}).mounts == "/mnt");
  });
  BOOST_TEST(sentence.find("the path \"mnt\" is relative") == 0U);
  BOOST_TEST(sentence.find("No such file or directory") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(moving_volumes_needs_no_socket_and_one_of_two_places) {
  char const* arguments[] = {"snapclone", "--pool", "/p", "--move-to", "image", "--image", "50g"};
  Config config = read_config(std::size(arguments), arguments);
  BOOST_TEST(config.move_to == "image");
  BOOST_TEST(config.image_size == std::uint64_t{50} << 30U);
  BOOST_TEST(refused({"--move-to", "disk"}) ==
             "--move-to disk is not known: it is image or directory");
  BOOST_TEST(refused({"--move-to="}) == "--move-to  is not known: it is image or directory");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::test
