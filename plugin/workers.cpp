// SPDX-License-Identifier: Apache-2.0
#include "workers.hpp"

#include <boost/asio/post.hpp>

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

namespace snapclone {

Workers::Workers(std::size_t threads, int niceness) {
  auto work = [this, niceness] {
    // Linux gives each thread its own niceness. If it cannot be set, the thread still works.
    if (niceness != 0) (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness);
    io_.run();
  };
  try {
    while (threads_.size() < threads) threads_.emplace_back(work);
  } catch (std::system_error const& error) {
    io_.stop();
    throw std::runtime_error(std::string("cannot start a thread: ") + error.what());
  }
}

void Workers::end() {
  io_.stop();
  threads_.clear();  // joins them
}

void Workers::run(std::function<void()> job) { boost::asio::post(io_, std::move(job)); }

}  // namespace snapclone
