// SPDX-License-Identifier: Apache-2.0
#include "load/in_parallel.hpp"
#include "load/load.hpp"

#include <algorithm>
#include <atomic>
#include <optional>

namespace snapclone::test {
namespace {

constexpr int kClients = 4;
constexpr int kShortRounds = 300;  // of each client
constexpr int kSamples = 30;
// What an allocator may need more for the same work, late in a long run.
constexpr std::size_t kMemorySlack = 512 << 10U;

std::size_t median(std::vector<std::size_t> numbers) {
  std::nth_element(numbers.begin(), numbers.begin() + numbers.size() / 2, numbers.end());
  return numbers.at(numbers.size() / 2);
}

// Three pairs of Mount and Unmount, one of them within another, and two of Create and Remove.
void round(Caller& caller, std::string const& mine) {
  caller.mount("seed", mine);
  caller.mount("seed", mine);
  caller.unmount("seed", mine);
  caller.must("Create", {{"Name", mine}});
  caller.mount(mine, mine);
  caller.unmount(mine, mine);
  caller.must("Create", {{"Name", mine + "-frozen"}, {"Opts", {{"snapshot-of", mine}}}});
  caller.unmount("seed", mine);
  caller.must("Remove", {{"Name", mine + "-frozen"}});
  caller.must("Remove", {{"Name", mine}});
}

class Soak {
 public:
  explicit Soak(Ground const& ground) : program_(ground, "warning") {
    Caller caller(program_.socket());
    caller.must("Create", {{"Name", "base"}});
    caller.must("Create", {{"Name", "seed"}, {"Opts", {{"snapshot-of", "base"}}}});
  }

  // So many rounds, or as many as fit into the time; then what the process holds.
  Held work() {
    auto end = Clock::now() + settings().time / kSamples;
    in_parallel(kClients, [&](int client) {
      Caller caller(program_.socket());
      std::string mine = "client" + std::to_string(client);
      int rounds = settings().time.count() > 0 ? INT32_MAX : kShortRounds / kSamples;
      for (int i = 0; i < rounds; ++i) {
        if (settings().time.count() > 0 && Clock::now() > end) return;
        round(caller, mine);
        ++rounds_;
      }
    });
    BOOST_TEST(program_.settles());
    if (!first_) first_ = program_.held();
    BOOST_TEST(program_.holds_no_more_than(*first_));
    return program_.held();
  }

  int rounds() const { return rounds_; }
  Program const& program() const { return program_; }

 private:
  Program program_;
  std::optional<Held> first_;
  std::atomic<int> rounds_{0};
};

}  // namespace

void repeat_pairs(Ground const& ground) {
  Soak soak(ground);
  std::vector<std::size_t> sizes;
  while (sizes.size() < kSamples) sizes.push_back(soak.work().resident);
  // The first third is there to fill what is filled once.
  std::size_t before = median({sizes.begin() + kSamples / 3, sizes.begin() + 2 * kSamples / 3});
  std::size_t after = median({sizes.begin() + 2 * kSamples / 3, sizes.end()});
  BOOST_TEST_MESSAGE(ground.name << ": " << soak.rounds() << " rounds, resident at first "
                                 << sizes.front() / 1024 << " KiB, in the second third "
                                 << before / 1024 << ", in the last " << after / 1024);
  if (!kSanitized) BOOST_TEST(after <= before + kMemorySlack);
  BOOST_TEST(soak.program().complaints() == "");
}

}  // namespace snapclone::test
