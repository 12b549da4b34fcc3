// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/calls.hpp"
#include "kit/program.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include <linux/seccomp.h>

namespace snapclone::test {

// What is to happen to one of a program's calls. They are counted from 1.
struct Fault {
  std::size_t at = 0;  // 0: never
  // Which of the errors that the call can have it fails with, from 0, instead of being made. None:
  // the program is killed before the call.
  std::optional<std::size_t> error;
};

// Sees the system calls of a program with all its threads before they are made, and decides what
// becomes of each: it is made, it fails, or the program is killed with SIGKILL before it. By
// seccomp(2)'s user notification: the call waits until handle() has decided. What a call leaves
// when the program is killed before its result is seen is what there is before the next one.
//
// For one run of the program, and one thread.
class Tracer : public Observer {
 public:
  // With `looks` it also sees the calls that change nothing.
  explicit Tracer(bool looks);

  // From here on the new process' calls wait.
  void before_exec() override;
  void started(pid_t program) override;

  // It can be read when a call waits; handle() decides on that.
  int descriptor() const override { return listener_.get(); }
  void handle() override;

  // Counts from here on: changes, and looks if it sees them, or else answers.
  void arm(Fault fault);
  void disarm() { armed_ = false; }
  bool struck() const { return struck_; }

  // While the background is held, calls of threads of a low priority wait.
  void hold_background(bool hold);

  // What was counted since arm(), or only the call that was struck, as paths take time to look up.
  struct Seen {
    std::string text;
    Effect effect = Effect::none;
    bool background = false;
    std::vector<int> errors;
  };
  void describe_all(bool wanted) { describe_all_ = wanted; }
  std::vector<Seen> const& seen() const { return seen_; }

  // The call that was struck, and the error it got; the error is 0 for a kill.
  Seen const& target() const { return target_; }
  int error() const { return error_; }

 private:
  struct Waiting {
    std::uint64_t id = 0;
    Call call;
    bool background = false;
  };
  void decide(Waiting const& waiting);
  void answer(std::uint64_t id, int error) const;

  bool const looks_;
  sys::Fd ours_;  // the listener goes through this pair of sockets
  sys::Fd theirs_;
  sys::Fd listener_;
  pid_t program_ = -1;
  Fault fault_;
  bool armed_ = false;
  bool struck_ = false;
  bool hold_background_ = false;
  bool describe_all_ = false;
  std::size_t count_ = 0;
  std::deque<Waiting> held_;
  std::vector<Seen> seen_;
  Seen target_;
  int error_ = 0;
};

}  // namespace snapclone::test
