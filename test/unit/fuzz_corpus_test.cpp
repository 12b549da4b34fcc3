// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets state, with the named inputs: where there is no libFuzzer, too.
#include "fuzz/input.hpp"

#include <boost/filesystem.hpp>
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>

namespace snapclone::fuzz {
namespace {

namespace fs = boost::filesystem;

boost::test_tools::assertion_result corpus_is_here(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result result(fs::exists(SNAPCLONE_CORPUS));
  result.message() << "the source tree is not here: " << SNAPCLONE_CORPUS;
  return result;
}

std::string read(fs::path const& path) {
  std::ifstream file(path.string(), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The input itself, every beginning of it, and with every byte changed a little.
void check_with_changes(FuzzTarget const& target, std::string const& input) {
  target.check(input);
  std::size_t const end = std::min<std::size_t>(input.size(), 300);
  for (std::size_t i = 0; i < end; ++i) {
    target.check(input.substr(0, i));
    for (int change : {0x01, 0x20, 0x80, 0xff}) {
      std::string changed = input;
      changed[i] = static_cast<char>(changed[i] ^ change);
      target.check(changed);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fuzz_corpus, *boost::unit_test::precondition(corpus_is_here))

BOOST_AUTO_TEST_CASE(what_the_targets_state_holds_for_every_named_input_and_what_is_near_it) {
  for (FuzzTarget const& target : kFuzzTargets) {
    int inputs = 0;
    for (auto const& entry : fs::directory_iterator(fs::path(SNAPCLONE_CORPUS) / target.name)) {
      BOOST_TEST_CONTEXT(entry.path()) {
        BOOST_CHECK_NO_THROW(check_with_changes(target, read(entry.path())));
      }
      ++inputs;
    }
    BOOST_TEST(inputs > 10, "there are inputs for " << target.name);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapclone::fuzz
