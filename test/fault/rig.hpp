// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault/scenario.hpp"
#include "fault/tracer.hpp"
#include "kit/ground.hpp"
#include "kit/leftovers.hpp"
#include "kit/program.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace snapclone::test {

enum class Watching { nothing, changes, looks };

// A pool in a directory of its own, the program that serves it, and what was acknowledged.
class Rig {
 public:
  Rig(Ground const& ground, fs::path const& directory);
  Rig(Rig const&) = delete;
  Rig& operator=(Rig const&) = delete;
  ~Rig();

  Model model;
  Program program;

  // A new process, which is not waited for.
  void start(Watching watching = Watching::nothing);

  // Of the process that runs, which is watched.
  Tracer& tracer() const { return *tracer_; }

  // The warnings and errors in the log of the last process.
  std::string complaints() const;

  // Starts it, does all of this, and waits until everything has come to rest but for litter. Throws
  // if a step fails.
  void prepare(std::vector<Step> const& steps, Watching watching);

  // Does a step; the model is the caller's. A start is a new process that has answered.
  Answer perform(Step const& step, Watching watching = Watching::nothing);

  // The same, and the model follows. Throws unless it is done.
  void must(Step const& step);

  // Asks for everything there is, and looks into it.
  Model found();

  // Until nothing is left over, or the program has ended, or nothing can be expected any more, be
  // it that the same is left at every look and that is `enough`; what is left then.
  using Enough = std::function<bool(std::string const& left)>;
  std::string settle(Enough const& enough = {});

  // Everything that was mounted has gone, and the engine does not know of it. No loop device has
  // the pool's image.
  void unmount_everything();

  // From now on trees may be held until a boot.
  void expect_held() { tolerated_.held = true; }

  // The machine is booted: whatever was held until then is free.
  void boot();

  // The image has the size that the last start was asked for. Throws if it has not.
  void check_image_size() const;

  // Unmounts and removes everything; the model is empty then.
  void clear();

  std::map<std::string, std::size_t> heights() const;

 private:
  Answer ask_about(Step const& step);
  void plant(Step const& step);
  void raise(std::string const& volume);
  void detach();
  void ask_for_image(unsigned gigabytes);
  std::string image() const;
  Model::Volume look_at(std::string const& name);
  Manifest shown(std::string const& name);
  std::map<Model::Key, Model::Mount> mounts() const;

  fs::path const directory_;
  bool const in_image_;
  unsigned gigabytes_ = 0;   // of the image
  std::string known_image_;  // that the last start found
  Tolerated tolerated_;
  std::unique_ptr<Tracer> tracer_;
  Watching watching_ = Watching::nothing;
  std::map<Model::Key, fs::path> paths_;
};

// Whether complaints say more than that a verb failed.
bool says_what_is_left(std::string const& complaints);

}  // namespace snapclone::test
