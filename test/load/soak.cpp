// SPDX-License-Identifier: Apache-2.0
#include "load/in_parallel.hpp"
#include "load/instance.hpp"
#include "load/load.hpp"

#include <boost/test/unit_test.hpp>

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
  caller.create(mine);
  caller.mount(mine, mine);
  caller.unmount(mine, mine);
  caller.create(mine + "-frozen", {{"snapshot-of", mine}});
  caller.unmount("seed", mine);
  caller.remove(mine + "-frozen");
  caller.remove(mine);
}

class Soak {
 public:
  explicit Soak(Ground const& ground) : instance_(ground, "warning") {
    Caller caller(instance_.socket());
    caller.create("base");
    caller.create("seed", {{"snapshot-of", "base"}});
  }

  // So many rounds, or as many as fit into the time; then what the process holds.
  Resources work() {
    auto end = std::chrono::steady_clock::now() + settings().time / kSamples;
    in_parallel(kClients, [&](int client) {
      Caller caller(instance_.socket());
      std::string mine = "client" + std::to_string(client);
      int rounds = settings().time.count() > 0 ? INT32_MAX : kShortRounds / kSamples;
      for (int i = 0; i < rounds; ++i) {
        if (settings().time.count() > 0 && std::chrono::steady_clock::now() > end) return;
        round(caller, mine);
        ++rounds_;
      }
    });
    BOOST_REQUIRE(instance_.settles());
    if (!first_) first_ = instance_.resources();
    BOOST_REQUIRE(instance_.holds_no_more_than(*first_));
    return instance_.resources();
  }

  int rounds() const { return rounds_; }
  Instance const& instance() const { return instance_; }

 private:
  Instance instance_;
  std::optional<Resources> first_;
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
  BOOST_TEST(soak.instance().log().complaints() == "");
}

}  // namespace snapclone::test
