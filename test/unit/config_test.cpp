// SPDX-License-Identifier: Apache-2.0
#include "config.hpp"

#include "kit/privileges.hpp"
#include "sys/log.hpp"

#include <boost/filesystem/operations.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
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
using namespace std::string_literals;

// The environment has these settings while it lives.
class Environment {
 public:
  explicit Environment(std::map<std::string, std::string> settings)
      : settings_(std::move(settings)) {
    for (auto const& [name, value] : settings_) setenv(name.c_str(), value.c_str(), 1);
  }
  Environment(std::string const& name, std::string const& value)
      : Environment(std::map<std::string, std::string>{{name, value}}) {}
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

BOOST_AUTO_TEST_CASE(a_pool_lies_in_an_image_only_if_that_is_asked_for) {
  BOOST_TEST(!read({}).image);
  BOOST_TEST(!read({}).image_reserve);
  for (auto const* off : {"", "off"}) {
    Environment environment("IMAGE", off);
    BOOST_TEST(!read({}).image);
  }
}

BOOST_AUTO_TEST_CASE(an_image_has_a_size_or_follows_the_host) {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
  std::map<std::string, std::uint64_t> const sizes = {
      {"on", 0},       {"1g", kGiB},         {"50G", 50 * kGiB}, {"2t", 2048 * kGiB},
      {"1024m", kGiB}, {"1073741824", kGiB}, {"1048576K", kGiB}, {"16383g", 16383 * kGiB}};
  for (auto const& [value, size] : sizes) {
    Environment environment({{"IMAGE", value}, {"IMAGE_RESERVE", "on"}});
    Config config = read({});
    BOOST_TEST(config.image, value);
    BOOST_TEST(config.image_size == size, value);
    BOOST_TEST(config.image_reserve);
    BOOST_TEST(config.warnings.empty());
    BOOST_TEST(read({"--image", value.c_str()}).image_size == size, value);
  }
}

BOOST_AUTO_TEST_CASE(a_size_that_no_image_can_have_is_not_known) {
  for (auto const* value : {"yes", "ON", "0", "1023m", "16384g", "17t", "50gb", "50 g", "-50g",
                            "1.5t", "g", "99999999999999999999g"}) {
    Environment environment("IMAGE", value);
    Config config = read({});
    BOOST_TEST(!config.image);
    std::vector<std::string> const warnings = {
        "IMAGE="s + value +
        " is not known: it is on, off or a size from 1g to 16383g, such as 50g; using off"};
    BOOST_TEST(config.warnings == warnings, boost::test_tools::per_element());
    BOOST_TEST(refused({"--image", value}) ==
               "--image "s + value +
                   " is not known: it is on, off or a size from 1g to 16383g, such as 50g");
  }
}

BOOST_AUTO_TEST_CASE(a_default_for_the_image_holds_where_nothing_known_is_set) {
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
  BOOST_TEST(read({"--image-default", "on"}).image);
  BOOST_TEST(read({"--image-default", "50g"}).image_size == 50 * kGiB);
  BOOST_TEST(!read({"--image-default", ""}).image);
  BOOST_TEST(!read({"--image-default", "50g", "--image", "off"}).image);
  {
    Environment environment("IMAGE", "off");
    BOOST_TEST(!read({"--image-default", "50g"}).image);
  }
  {
    Environment environment("IMAGE", "on");
    BOOST_TEST(read({"--image-default", "50g"}).image_size == 0U);
  }
  Environment environment("IMAGE", "huge");
  Config config = read({"--image-default", "50g"});
  BOOST_TEST(config.image);
  BOOST_TEST(config.image_size == 50 * kGiB);
  std::vector<std::string> const warnings = {
      "IMAGE=huge is not known: it is on, off or a size from 1g to 16383g, such as 50g; using 50g"};
  BOOST_TEST(config.warnings == warnings, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_flag_for_the_image_wins_over_its_setting_known_or_not) {
  for (auto const* set : {"on", "60g", "huge"}) {
    Environment image("IMAGE", set);
    Environment reserve("IMAGE_RESERVE", "perhaps");
    Config config = read({"--image=off", "--image-reserve", "on"});
    BOOST_TEST(!config.image);
    BOOST_TEST(config.image_reserve);
    BOOST_TEST(config.warnings.empty());
  }
}

BOOST_AUTO_TEST_CASE(unknown_values_about_the_reserve_and_the_default_are_refused_or_warned_of) {
  BOOST_TEST(refused({"--image-reserve", "50g"}) ==
             "--image-reserve 50g is not known: it is on or off");
  BOOST_TEST(refused({"--image-default", "yes"}) ==
             "--image-default yes is not known: it is on, off or a size from 1g to 16383g, such "
             "as 50g");
  Environment environment("IMAGE_RESERVE", "yes");
  std::vector<std::string> const warnings = {
      "IMAGE_RESERVE=yes is not known: it is on or off; using off"};
  BOOST_TEST(read({}).warnings == warnings, boost::test_tools::per_element());
  BOOST_TEST(!read({}).image_reserve);
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
