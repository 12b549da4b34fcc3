// SPDX-License-Identifier: Apache-2.0
#include "bench/command.hpp"

#include "bench/samples.hpp"
#include "sys/error.hpp"

#include <stdexcept>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapclone::bench {

double run(std::vector<std::string> const& command, std::string const& input) {
  Stopwatch watch;
  std::vector<char*> arguments;
  for (auto const& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = fork();
  if (pid < 0) sys::fail("start", command.front());
  if (pid == 0) {
    int in = open(input.c_str(), O_RDONLY);
    int out = open("/dev/null", O_WRONLY);
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0) _exit(126);
    execvp(arguments.front(), arguments.data());
    _exit(127);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || status != 0) {
    throw std::runtime_error(command.front() + " has failed");
  }
  return watch.ms();
}

}  // namespace snapclone::bench
