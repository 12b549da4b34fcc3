// SPDX-License-Identifier: Apache-2.0
// The program that libFuzzer makes: build/fuzz/fuzz TARGET [libFuzzer's options] [DIRECTORY...]
#include "fuzz/input.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <iterator>

namespace {

snapclone::fuzz::FuzzTarget const* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  std::string_view name = *argc > 1 ? (*argv)[1] : "";
  chosen = std::find_if(std::begin(snapclone::fuzz::kFuzzTargets),
                        std::end(snapclone::fuzz::kFuzzTargets),
                        [&](auto const& target) { return target.name == name; });
  if (chosen == std::end(snapclone::fuzz::kFuzzTargets)) {
    std::cerr << "usage: fuzz TARGET [libFuzzer's options] [DIRECTORY...]; the targets are:";
    for (auto const& target : snapclone::fuzz::kFuzzTargets) std::cerr << ' ' << target.name;
    std::cerr << '\n';
    std::exit(2);
  }
  (*argv)[1] = (*argv)[0];
  ++*argv;
  --*argc;
  return 0;
}

// What a target throws ends the program, and libFuzzer keeps the input.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  chosen->check({reinterpret_cast<char const*>(data), size});
  return 0;
}
