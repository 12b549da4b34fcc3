// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace snapclone {

// Threads for jobs that may block. (Asio's own pool waits for ever if the system cannot give it all
// its threads.)
class Workers {
 public:
  // A higher niceness gets less of the processor (setpriority(2)). Throws std::runtime_error if a
  // thread cannot be started.
  explicit Workers(std::size_t threads, int niceness = 0);
  ~Workers() { end(); }
  Workers(Workers const&) = delete;
  Workers& operator=(Workers const&) = delete;

  // Waits for the jobs that run and drops those that wait. Jobs that come later are dropped, too.
  void end();

  // Safe from every thread.
  void run(std::function<void()> job);

 private:
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> more_to_come_{
      io_.get_executor()};
  std::vector<std::jthread> threads_;
};

}  // namespace snapclone
